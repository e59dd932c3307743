"""Does each server respond? Only these checks fail for a server that is away."""

from __future__ import annotations

from clickstream.operations.doctor.clickhouse_client import ClickHouseClient
from clickstream.operations.doctor.http_client import HttpClient
from clickstream.operations.doctor.kafka_client import KafkaClient
from clickstream.operations.doctor.registry_client import RegistryClient
from clickstream.operations.doctor.result import CheckResult, fail, ok, warn
from core.errors import ClickstreamError
from core.tls_check import Server, tls_mistake

_READY = 200


def check_kafka(kafka: KafkaClient, server: Server) -> CheckResult:
    """Kafka responds: its cluster id and the number of brokers."""
    try:
        cluster = kafka.cluster()
    except Exception as error:
        return _no_response(server, error)
    return ok(f"{server.address}: cluster {cluster.cluster_id}, {cluster.brokers} broker(s)")


def check_registry(registry: RegistryClient, server: Server) -> CheckResult:
    """The registry responds: the number of its subjects."""
    try:
        subjects = registry.subjects()
    except Exception as error:
        return _no_response(server, error)
    return ok(f"{server.address}: {len(subjects)} subject(s)")


def check_clickhouse(clickhouse: ClickHouseClient, server: Server) -> CheckResult:
    """ClickHouse responds: its version."""
    try:
        version = clickhouse.version()
    except Exception as error:
        return _no_response(server, error)
    return ok(f"{server.address}: version {version}")


def check_http(http: HttpClient, *, expected: bool) -> CheckResult:
    """`/readyz` answers 200. Without an answer it is a failure when `expected`, else a warning."""
    readiness = http.readiness()
    if readiness is None:
        detail = f"nothing listens at {http.url}"
        if expected:
            return fail(detail, "`clickstream up` runs without its HTTP process: see its log")
        return warn(detail, "start `clickstream edge`, or name its URL: doctor --url")
    if readiness.status != _READY:
        return fail(
            f"{http.url}/readyz answers {readiness.status}: {readiness.body}",
            "the reasons above are what it waits for",
        )
    return ok(f"{http.url} is ready")


def _no_response(server: Server, error: Exception) -> CheckResult:
    """The result for any error: the question is the simplest that the server can answer."""
    if mistake := tls_mistake(server):
        what, _, remedy = mistake.rpartition(": ")
        return fail(what, remedy)
    if isinstance(error, ClickstreamError):  # it names the address and the setting
        return fail(str(error), "its log says why it ended or hangs")
    reason = str(error) or "no answer in time"
    return fail(
        f"no response from {server.address}: {reason}",
        f"start it, see its log; is {server.setting} right?",
    )
