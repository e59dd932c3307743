"""The checks on real servers, and on servers that are stopped or never respond."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from clickstream.local.processes.ports import free_port
from clickstream.operations.doctor import clickhouse_client
from clickstream.operations.doctor.checks import checks
from clickstream.operations.doctor.checks import connect as connect_clients
from clickstream.operations.doctor.clickhouse_client import (
    HASH_COLLISIONS,
    ClickHouseQueries,
    SplitSessions,
)
from clickstream.operations.doctor.result import CheckResult, Status
from clickstream.operations.doctor.runner import run_checks
from core.clickhouse.client import connect
from core.settings import Settings
from schemas.topics import Topics
from tests.api.stored import DAY_MS, NOON_MS, Mark, Search, World, store
from tests.waiting import wait_until

pytestmark = pytest.mark.engines


def diagnose(settings: Settings, seconds: float = 15) -> Mapping[str, CheckResult]:
    """The results by name. Nothing listens at the HTTP address."""
    url = f"http://127.0.0.1:{free_port()}"
    with connect_clients(settings, url, request_seconds=seconds / 2) as clients:
        results = run_checks(checks(settings, clients, http_expected=False), seconds)
    return {result.name: result for result in results}


def failed(results: Mapping[str, CheckResult]) -> set[str]:
    return {name for name, result in results.items() if result.status is Status.FAIL}


@pytest.fixture
def unresponsive_port() -> Iterator[int]:
    """A server that lets clients connect and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_prepared_servers_lack_nothing_but_a_worker(settings: Settings) -> None:
    results = diagnose(settings)
    assert failed(results) == {"worker"}
    assert results["http"].status is Status.WARN
    assert results["lag"].status is Status.OK


def test_a_member_of_the_group_is_seen(settings: Settings) -> None:
    options = settings.kafka_options() | {"group.id": settings.worker.group}
    consumer = Consumer(options)
    try:
        consumer.subscribe([Topics.from_settings(settings).sessions])
        for _ in range(100):
            consumer.poll(0.1)
            if consumer.assignment():
                break
        assert diagnose(settings)["worker"].status is Status.OK
    finally:
        consumer.close()


def test_a_deleted_topic_is_missed(settings: Settings) -> None:
    marks = Topics.from_settings(settings).marks
    admin = AdminClient({**settings.kafka_options()})
    admin.delete_topics([marks])[marks].result(15)
    # The broker has agreed, and its metadata follow.
    wait_until(lambda: marks not in admin.list_topics(timeout=15).topics, seconds=30)
    results = diagnose(settings)
    assert "topics" in failed(results)
    assert marks in results["topics"].detail


def test_a_dropped_view_is_missed(settings: Settings) -> None:
    with connect(settings) as client:
        client.command("DROP VIEW impressions")
    results = diagnose(settings)
    assert "tables" in failed(results)
    assert "impressions" in results["tables"].detail


def test_sessions_that_share_a_hash_with_a_marked_one_are_counted(settings: Settings) -> None:
    """By their length in place of the real hash, for which no two ids with one hash are known."""
    marked, same_hash, other = Search("a1"), Search("b2"), Search("c33")
    store(settings, World((marked, same_hash, same_hash, other), marks=(Mark("a1"), Mark("gone"))))
    with connect(settings) as client:
        for function, expected in (("length", 1), ("sipHash64", 0)):
            query = HASH_COLLISIONS.format(hash=function)
            found = client.query(query, parameters={"days": 65_535}).result_rows
            assert found == [(expected,)]
    assert diagnose(settings)["hash collisions"].status is Status.OK


def test_a_session_with_rows_in_two_days_is_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = [Search(f"s{n}", created_at=NOON_MS + n % 2 * DAY_MS) for n in range(40)]
    store(settings, World((*searches, Search("s1", created_at=NOON_MS))))
    queries = ClickHouseQueries(settings, 10)
    assert queries.split_sessions()["sessions"] == SplitSessions(41, 1, 1)
    # Of a large table each run looks at another share; --full looks at all of them.
    monkeypatch.setattr(clickhouse_client, "_ROWS_IN_A_SHARE", 20)
    runs = [queries.split_sessions()["sessions"] for _ in range(60)]
    assert {(run.sample, run.split) for run in runs} == {(3, 0), (3, 1)}
    everything = ClickHouseQueries(settings, 10, full=True).split_sessions()
    assert everything["sessions"] == SplitSessions(41, 1, 1)


def test_tables_that_are_too_large_to_be_checked_are_no_failure_and_leave_no_query_behind(
    module_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "SELECT sum(sipHash64(number)) FROM numbers(1000000000000)"
    monkeypatch.setattr(clickhouse_client, "_SPLIT_SESSIONS", endless)
    results = diagnose(module_settings, 4)
    assert results["duplicates"].status is Status.WARN
    assert "--full" in results["duplicates"].remedy
    with connect(module_settings, database="system") as client:
        query = "SELECT count() FROM processes WHERE query LIKE 'SELECT sum(sipHash64%'"
        wait_until(lambda: client.query(query).result_rows == [(0,)], seconds=10)


def test_a_stopped_clickhouse_is_what_fails(module_settings: Settings) -> None:
    url = f"http://127.0.0.1:{free_port()}/clickstream"
    results = diagnose(module_settings.model_copy(update={"clickhouse_url": SecretStr(url)}))
    assert failed(results) == {"clickhouse", "worker"}
    assert results["topics"].status is Status.OK
    assert "depends on clickhouse" in results["tables"].detail


def test_a_stopped_registry_is_what_fails(module_settings: Settings) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    results = diagnose(module_settings.model_copy(update={"schema_registry_url": url}))
    assert failed(results) == {"registry", "worker"}


def test_a_stopped_kafka_is_what_fails(module_settings: Settings) -> None:
    servers = f"127.0.0.1:{free_port()}"
    results = diagnose(module_settings.model_copy(update={"kafka_bootstrap_servers": servers}), 4)
    assert failed(results) == {"kafka"}
    assert results["tables"].status is Status.OK


def test_unresponsive_servers_fail_in_bounded_time(
    module_settings: Settings, unresponsive_port: int
) -> None:
    """Kafka answers; the two that accept connections and never respond do not block the doctor."""
    unresponsive = module_settings.model_copy(
        update={
            "schema_registry_url": f"http://127.0.0.1:{unresponsive_port}",
            "clickhouse_url": SecretStr(f"http://127.0.0.1:{unresponsive_port}/clickstream"),
        }
    )
    results = diagnose(unresponsive, 4)
    assert {"registry", "clickhouse"} <= failed(results)
    assert results["kafka"].status is Status.OK
