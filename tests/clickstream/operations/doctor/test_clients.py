"""The doctor's views on real servers, and on servers that are dead or dumb."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from clickstream.local.processes.ports import free_port
from clickstream.operations.doctor.checks import checks, live_views
from clickstream.operations.doctor.clickhouse_client import NAMESAKES
from clickstream.operations.doctor.result import CheckResult, Status
from clickstream.operations.doctor.runner import examine
from core.clickhouse.client import connect
from core.settings import Settings
from schemas.topics import Topics
from tests.api.stored import Mark, Search, World, store

pytestmark = pytest.mark.engines


def visit(settings: Settings, seconds: float = 15) -> Mapping[str, CheckResult]:
    """What the doctor finds, by name. Nobody listens at its HTTP address."""
    views = live_views(settings, f"http://127.0.0.1:{free_port()}", request_seconds=seconds / 2)
    findings = examine(checks(settings, views, http_is_ours=False), seconds)
    return {finding.name: finding for finding in findings}


def failed(findings: Mapping[str, CheckResult]) -> set[str]:
    return {name for name, finding in findings.items() if finding.status is Status.FAIL}


@pytest.fixture
def dumb_port() -> Iterator[int]:
    """A server that lets clients connect and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_prepared_servers_lack_nothing_but_a_worker(settings: Settings) -> None:
    findings = visit(settings)
    assert failed(findings) == {"worker"}
    assert findings["http"].status is Status.WARN
    assert findings["lag"].status is Status.OK


def test_a_member_of_the_group_is_seen(settings: Settings) -> None:
    options = settings.kafka_options() | {"group.id": settings.worker.group}
    consumer = Consumer(options)
    try:
        consumer.subscribe([Topics.from_settings(settings).sessions])
        for _ in range(100):
            consumer.poll(0.1)
            if consumer.assignment():
                break
        assert visit(settings)["worker"].status is Status.OK
    finally:
        consumer.close()


def test_a_deleted_topic_is_missed(settings: Settings) -> None:
    marks = Topics.from_settings(settings).marks
    admin = AdminClient({**settings.kafka_options()})
    admin.delete_topics([marks])[marks].result(15)
    findings = visit(settings)
    assert "topics" in failed(findings)
    assert marks in findings["topics"].seen


def test_a_dropped_view_is_missed(settings: Settings) -> None:
    with connect(settings) as client:
        client.command("DROP VIEW impressions")
    findings = visit(settings)
    assert "tables" in failed(findings)
    assert "impressions" in findings["tables"].seen


def test_sessions_that_share_a_hash_with_a_marked_one_are_counted(settings: Settings) -> None:
    """By their length in place of the real hash, for which nobody knows two ids that share it."""
    marked, namesake, other = Search("a1"), Search("b2"), Search("c33")
    store(settings, World((marked, namesake, namesake, other), marks=(Mark("a1"), Mark("gone"))))
    with connect(settings) as client:
        for function, expected in (("length", 1), ("sipHash64", 0)):
            found = client.query(NAMESAKES.format(hash=function)).result_rows
            assert found == [(expected,)]
    assert visit(settings)["hashes"].status is Status.OK


def test_a_stopped_clickhouse_is_the_culprit(settings: Settings) -> None:
    url = f"http://127.0.0.1:{free_port()}/clickstream"
    findings = visit(settings.model_copy(update={"clickhouse_url": SecretStr(url)}))
    assert failed(findings) == {"clickhouse", "worker"}
    assert findings["topics"].status is Status.OK
    assert "because of clickhouse" in findings["tables"].seen


def test_a_stopped_registry_is_the_culprit(settings: Settings) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    findings = visit(settings.model_copy(update={"schema_registry_url": url}))
    assert failed(findings) == {"registry", "worker"}


def test_a_stopped_kafka_is_the_culprit(settings: Settings) -> None:
    servers = f"127.0.0.1:{free_port()}"
    findings = visit(settings.model_copy(update={"kafka_bootstrap_servers": servers}), 4)
    assert failed(findings) == {"kafka"}
    assert findings["tables"].status is Status.OK


def test_dumb_servers_are_named_in_bounded_time(settings: Settings, dumb_port: int) -> None:
    """Kafka answers; the two that take connections and stay silent do not hold the doctor up."""
    dumb = settings.model_copy(
        update={
            "schema_registry_url": f"http://127.0.0.1:{dumb_port}",
            "clickhouse_url": SecretStr(f"http://127.0.0.1:{dumb_port}/clickstream"),
        }
    )
    findings = visit(dumb, 4)
    assert {"registry", "clickhouse"} <= failed(findings)
    assert findings["kafka"].status is Status.OK
