from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked as exported
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from typer.testing import CliRunner

from core.errors import BrokerUnavailable, SetupError
from core.settings import Limits, Settings, TopicSettings
from schemas.topic_admin import CreatedTopics, create_topics, describe_topics
from schemas.topics import (
    Topics,
    TopicState,
    check_partitions,
    definitions,
    drift,
    max_dead_letter_bytes,
    max_record_bytes,
)
from tests.waiting import wait_until


def settings_with(**topics: object) -> Settings:
    return Settings(_env_file=None, topics=TopicSettings.model_validate(topics))


def config_of(settings: Settings, name: str) -> Mapping[str, str]:
    return next(d.config for d in definitions(settings) if d.name == name)


def test_all_topics_have_the_same_partition_count() -> None:
    assert {d.partitions for d in definitions(settings_with(partitions=12))} == {12}


def test_a_topic_takes_the_largest_body_that_the_edge_admits() -> None:
    settings = Settings(_env_file=None, limits=Limits(body_bytes=3_000_000))
    sessions = config_of(settings, Topics.from_settings(settings).sessions)
    assert int(sessions["max.message.bytes"]) == max_record_bytes(settings) > 3_000_000


def test_a_dead_letter_has_room_for_a_whole_record() -> None:
    settings = Settings(_env_file=None)
    dead_letters = config_of(settings, Topics.from_settings(settings).dead_letters)
    assert int(dead_letters["max.message.bytes"]) == max_dead_letter_bytes(settings)
    assert max_dead_letter_bytes(settings) >= 2 * max_record_bytes(settings)


def test_retention_is_as_set_and_segments_are_short_enough_to_keep_it() -> None:
    settings = settings_with(retention_days=0.5, min_insync_replicas=2)
    config = config_of(settings, Topics.from_settings(settings).events)
    assert config["retention.ms"] == "43200000"
    assert int(config["segment.ms"]) <= 43_200_000
    assert config["min.insync.replicas"] == "2"
    assert config["cleanup.policy"] == "delete"


def test_erasures_are_kept_for_ever_whatever_the_retention() -> None:
    settings = settings_with(retention_days=0.5)
    config = config_of(settings, Topics.from_settings(settings).erasures)
    assert (config["cleanup.policy"], config["retention.ms"]) == ("compact", "-1")


def test_drift_names_topic_option_and_both_values() -> None:
    definition = definitions(Settings(_env_file=None))[0]
    live = {**definition.config, "retention.ms": "1", "file.delete.delay.ms": "60000"}
    state = TopicState(definition.name, definition.partitions, 3, live)
    assert drift(definition, state) == [
        "clickstream.sessions: retention.ms is 1, declared 604800000",
        "clickstream.sessions: replication factor is 3, declared 1",
    ]


def test_another_partition_count_is_an_operators_mistake() -> None:
    definition = definitions(Settings(_env_file=None))[0]
    with pytest.raises(SetupError, match=r"has 3 partitions and the settings say 8.*PARTITIONS=3"):
        check_partitions(definition, TopicState(definition.name, 3, 1, definition.config))


def test_a_broker_that_is_down_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schemas.topic_admin._TIMEOUT_SECONDS", 0.5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening: every connection is refused
        server = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BrokerUnavailable, match=server):
            describe_topics(Settings(_env_file=None, kafka_bootstrap_servers=server))


@pytest.mark.engines
def test_topics_are_made_as_declared_and_only_once(settings: Settings) -> None:
    states = describe_topics(settings)
    for definition in definitions(settings):
        check_partitions(definition, states[definition.name])
        assert drift(definition, states[definition.name]) == []
    assert create_topics(settings) == CreatedTopics(created=(), drift=())


@pytest.mark.engines
def test_an_existing_topic_with_another_count_is_refused(settings: Settings) -> None:
    more = settings.topics.model_copy(update={"partitions": settings.topics.partitions + 1})
    with pytest.raises(SetupError, match="partition count is never changed in place"):
        create_topics(settings.model_copy(update={"topics": more}))


@pytest.mark.engines
def test_a_changed_option_is_reported_and_left_alone(settings: Settings) -> None:
    topic = Topics.from_settings(settings).events
    entry = ConfigEntry("retention.ms", "1234", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({**settings.kafka_options()})
    admin.incremental_alter_configs([resource])[resource].result(10)

    # The controller has it; what the broker answers follows.
    def is_changed() -> bool:
        return describe_topics(settings)[topic].config["retention.ms"] == "1234"

    wait_until(is_changed, seconds=30)
    assert create_topics(settings).drift == (f"{topic}: retention.ms is 1234, declared 604800000",)
    assert is_changed()


@pytest.mark.engines
def test_several_processes_may_create_the_topics_at_once(settings: Settings) -> None:
    """Threads stand in for processes: nothing but the broker is shared between the calls."""
    prefix = f"{settings.topics.prefix}race."
    racing = settings.model_copy(
        update={"topics": settings.topics.model_copy(update={"prefix": prefix})}
    )
    barrier = Barrier(4)

    def create(_: int) -> CreatedTopics:
        barrier.wait(30)
        return create_topics(racing)

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(create, range(4)))
    assert sorted(name for report in made for name in report.created) == sorted(
        Topics.from_settings(racing).all()
    )


@pytest.mark.engines
def test_more_replicas_than_brokers_is_an_operators_mistake(settings: Settings) -> None:
    wanted = settings.topics.model_copy(
        update={"prefix": f"{settings.topics.prefix}three.", "replication_factor": 3}
    )
    with pytest.raises(SetupError, match="replication factor"):
        create_topics(settings.model_copy(update={"topics": wanted}))


@pytest.mark.engines
def test_the_command_lists_creates_and_lists(
    settings: Settings, environment: Callable[..., None]
) -> None:
    from clickstream.commands.topics import app

    prefix = f"{settings.topics.prefix}new."
    environment(settings, topics={"prefix": prefix})

    def run(*arguments: str) -> tuple[int, dict[str, list[dict[str, object]]]]:
        result = CliRunner().invoke(app, [*arguments, "--json"])
        return result.exit_code, json.loads(result.output)

    status, listed = run("list")
    assert status == 1
    assert {row["partitions"] for row in listed["topics"]} == {None}
    status, made = run("create")
    assert (status, len(made["created"])) == (0, 5)
    status, listed = run("list")
    assert status == 0
    assert [row["drift"] for row in listed["topics"]] == [[]] * 5
    assert run("create") == (0, {"created": [], "drift": []})
