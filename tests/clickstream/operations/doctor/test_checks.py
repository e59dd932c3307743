"""Each check sees what it is there for, and says what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import pytest

from clickstream.operations.doctor import connectivity_checks, pipeline_checks, schema_checks
from clickstream.operations.doctor.checks import Clients, checks
from clickstream.operations.doctor.clickhouse_client import (
    ClickHouseQueries,
    HealthCheck,
    NodeState,
    SplitSessions,
)
from clickstream.operations.doctor.http_client import Readiness
from clickstream.operations.doctor.kafka_client import Lag
from clickstream.operations.doctor.result import Check, Status, healthy
from clickstream.operations.doctor.runner import run_checks
from core.errors import TablesTooLarge
from schemas.instrumentation import HEALTH_CHECKS
from schemas.registry import RegisteredSchema
from schemas.topics import Topics, definitions
from tests.clickstream.operations.doctor.fakes import (
    SETTINGS,
    FakeClickHouse,
    FakeHttp,
    FakeKafka,
    FakeRegistry,
    declared_schemas,
    health_check,
)

TOPICS = Topics.from_settings(SETTINGS)
DECLARED = definitions(SETTINGS)


def test_a_healthy_system_is_green_in_every_line() -> None:
    clients = Clients(FakeKafka(), FakeRegistry(), FakeClickHouse(), FakeHttp())
    results = run_checks(checks(SETTINGS, clients, http_expected=True))
    assert {r.status for r in results} == {Status.OK}


@pytest.mark.parametrize("stopped", ["kafka", "registry", "clickhouse"])
def test_a_stopped_server_is_the_only_one_that_fails(stopped: str) -> None:
    broken = ConnectionError("refused")
    clients = Clients(
        FakeKafka(down=broken if stopped == "kafka" else None),
        FakeRegistry(down=broken if stopped == "registry" else None),
        FakeClickHouse(down=broken if stopped == "clickhouse" else None),
        FakeHttp(),
    )
    results = run_checks(checks(SETTINGS, clients, http_expected=True))
    assert [r.name for r in results if r.status is Status.FAIL] == [stopped]
    assert not healthy(results)


def test_a_missing_topic_is_named() -> None:
    kafka = FakeKafka()
    del kafka.states[TOPICS.marks]
    result = schema_checks.check_topics(kafka, DECLARED)
    assert result.status is Status.FAIL
    assert TOPICS.marks in result.detail
    assert "clickstream topics" in result.remedy


def test_another_partition_count_is_told_with_both_numbers() -> None:
    kafka = FakeKafka()
    kafka.states[TOPICS.events] = replace(kafka.states[TOPICS.events], partitions=3)
    result = schema_checks.check_topics(kafka, DECLARED)
    assert f"{TOPICS.events} has 3 partitions, declared 8" in result.detail


def test_another_retention_is_told() -> None:
    kafka = FakeKafka()
    state = kafka.states[TOPICS.events]
    changed = {**state.config, "retention.ms": "1"}
    kafka.states[TOPICS.events] = replace(state, config=changed)
    result = schema_checks.check_topics(kafka, DECLARED)
    assert result.status is Status.FAIL
    assert "retention.ms" in result.detail


def test_an_unregistered_schema_is_named() -> None:
    schemas = declared_schemas()
    del schemas["clickstream.events-value"]
    result = schema_checks.check_schemas(FakeRegistry(schemas), TOPICS)
    assert result.status is Status.FAIL
    assert "clickstream.events-value" in result.detail


def test_a_foreign_schema_is_not_taken_for_ours() -> None:
    schemas = declared_schemas()
    schemas["clickstream.events-value"] = RegisteredSchema(
        "clickstream.events-value", 2, 9, '"string"'
    )
    result = schema_checks.check_schemas(FakeRegistry(schemas), TOPICS)
    assert result.status is Status.FAIL
    assert "version 2 is not ours" in result.detail


def test_a_weaker_compatibility_level_is_told() -> None:
    result = schema_checks.check_schemas(FakeRegistry(level="BACKWARD"), TOPICS)
    assert result.status is Status.FAIL
    assert "BACKWARD" in result.detail


def test_a_schema_in_another_layout_is_ours() -> None:
    schemas = {
        subject: replace(schema, text=json.dumps(json.loads(schema.text), indent=2))
        for subject, schema in declared_schemas().items()
    }
    assert schema_checks.check_schemas(FakeRegistry(schemas), TOPICS).status is Status.OK


def test_a_drifted_table_is_told() -> None:
    result = schema_checks.check_tables(FakeClickHouse(differences=["sessions has no column x"]))
    assert result.status is Status.FAIL
    assert "sessions has no column x" in result.detail


def node(name: str, readonly: int = 0, delay: int = 0) -> NodeState:
    return NodeState(name, readonly, delay, 7)


@pytest.mark.parametrize(
    ("count", "nodes", "status", "detail"),
    [
        (2, [node("a"), node("b")], Status.OK, "2 nodes answer"),
        (2, [node("a")], Status.FAIL, "1 of 2 nodes do not answer, or have no table (here: a)"),
        (2, [node("a"), node("b", readonly=3)], Status.FAIL, "tables are read-only on b"),
        (2, [node("a", delay=61), node("b")], Status.WARN, "a 61 s, 7 operations queued"),
    ],
)
def test_nodes_of_a_cluster_that_are_away_read_only_or_behind_are_named(
    count: int, nodes: list[NodeState], status: Status, detail: str
) -> None:
    result = schema_checks.check_nodes(FakeClickHouse(node_states=(count, nodes)))
    assert result.status is status
    assert detail in result.detail


def test_a_single_server_is_not_asked_for_its_nodes() -> None:
    clients = Clients(FakeKafka(), FakeRegistry(), FakeClickHouse(), FakeHttp())
    on_a_cluster = SETTINGS.model_copy(update={"clickhouse_cluster": "blue"})
    alone = {check.name for check in checks(SETTINGS, clients, http_expected=False)}
    assert "nodes" not in alone
    names = {check.name for check in checks(on_a_cluster, clients, http_expected=False)}
    assert names - alone == {"nodes"}


def test_a_group_without_members_fails() -> None:
    result = pipeline_checks.check_worker(FakeKafka(members=0))
    assert result.status is Status.FAIL
    assert "clickstream worker" in result.remedy


@pytest.mark.parametrize(
    ("lag", "status"),
    [(pipeline_checks.LAG_TO_WARN, Status.OK), (pipeline_checks.LAG_TO_WARN + 1, Status.WARN)],
)
def test_a_long_lag_warns(lag: int, status: Status) -> None:
    assert pipeline_checks.check_lag(FakeKafka(lags={"events": Lag(lag)})).status is status


def test_an_open_transaction_is_named_as_what_holds_the_workers() -> None:
    result = pipeline_checks.check_lag(FakeKafka(lags={"events": Lag(3, held=2), "marks": Lag(0)}))
    assert result.status is Status.WARN
    assert "held by an open transaction: 2 in events" in result.detail


def test_a_session_in_two_days_fails() -> None:
    split = FakeClickHouse(tables={"sessions": SplitSessions(3, 1, 2)})
    result = pipeline_checks.check_duplicates(split)
    assert result.status is Status.FAIL
    assert "2 session(s) in two days" in result.detail


def test_how_much_of_a_large_table_was_looked_at_is_said() -> None:
    large = FakeClickHouse(tables={"events": SplitSessions(80_000_000, 81, 0)})
    result = pipeline_checks.check_duplicates(large)
    assert result.status is Status.OK
    assert "one session in 81" in result.detail


def test_a_hash_collision_with_a_marked_session_fails() -> None:
    assert pipeline_checks.check_hash_collisions(FakeClickHouse()).status is Status.OK
    result = pipeline_checks.check_hash_collisions(FakeClickHouse(collisions=2))
    assert result.status is Status.FAIL
    assert "2 session(s)" in result.detail


def test_dead_letters_warn_with_their_reasons() -> None:
    counts = {"undecodable": 4, "wrong_key": 7}
    result = pipeline_checks.check_dead_letters(FakeClickHouse(pending=counts))
    assert (result.status, result.detail) == (Status.WARN, "4 undecodable, 7 wrong_key")
    assert "`clickstream dlq list --reason wrong_key`" in result.remedy


def test_unjoined_events_warn_when_they_have_waited_long() -> None:
    day = pipeline_checks.UNJOINED_SECONDS_TO_WARN
    assert pipeline_checks.check_unjoined(FakeClickHouse(waiting=(1, day))).status is Status.OK
    late = pipeline_checks.check_unjoined(FakeClickHouse(waiting=(1, 3 * day)))
    assert late.status is Status.WARN
    assert "3 days" in late.detail


def test_a_closed_http_port_fails_only_when_up_says_it_listens() -> None:
    assert connectivity_checks.check_http(FakeHttp(None), expected=True).status is Status.FAIL
    assert connectivity_checks.check_http(FakeHttp(None), expected=False).status is Status.WARN


def test_an_unready_http_process_tells_its_reasons() -> None:
    result = connectivity_checks.check_http(
        FakeHttp(Readiness(503, "kafka does not answer")), expected=False
    )
    assert result.status is Status.FAIL
    assert "kafka does not answer" in result.detail


def test_a_finding_of_instrumentation_warns_with_counts_examples_and_what_to_do() -> None:
    clickhouse = FakeClickHouse()
    clickhouse.health["one_user"] = health_check("one_user", cases=310)
    clients = Clients(FakeKafka(), FakeRegistry(), clickhouse, FakeHttp())
    results = run_checks(checks(SETTINGS, clients, http_expected=True))
    (warned,) = (result for result in results if result.status is not Status.OK)
    assert (warned.name, warned.status) == ("one user", Status.WARN)
    assert warned.detail == "310 of 1000 (31.00%), more than 5%, such as a; b; c. Means this."
    assert warned.remedy == "Do that."
    assert healthy(results)


def test_a_check_of_a_part_of_the_searches_says_so() -> None:
    clickhouse = FakeClickHouse()
    clickhouse.health["one_user"] = replace(health_check("one_user", total=500), one_of=20)
    result = pipeline_checks.check_instrumentation(clickhouse, "one_user")
    assert result.detail == "0 of 500 (0.00%) in one of 20 searches"


def test_an_empty_system_has_no_findings() -> None:
    clickhouse = FakeClickHouse()
    clickhouse.health["one_user"] = health_check("one_user", total=0)
    result = pipeline_checks.check_instrumentation(clickhouse, "one_user")
    assert (result.status, result.detail) == (Status.OK, "nothing to look at")


def test_a_large_system_is_asked_once_how_it_is_instrumented() -> None:
    """Ten rows of the doctor read it."""
    asked = []

    class Slow(ClickHouseQueries):
        def _read_health(self) -> Mapping[str, HealthCheck]:
            asked.append(1)
            raise TablesTooLarge("not checked: a query takes longer than 4 s")

    clickhouse = Slow(SETTINGS, 4)
    results = run_checks(
        [
            Check(finding, partial(pipeline_checks.check_instrumentation, clickhouse, finding))
            for finding in HEALTH_CHECKS
        ]
    )
    assert {result.status for result in results} == {Status.WARN}
    assert len(asked) == 1
