"""Does each server respond? Only these checks fail for a server that is away."""

from __future__ import annotations

from clickstream.operations.doctor.clickhouse_client import ClickHouseClient
from clickstream.operations.doctor.http_client import HttpClient
from clickstream.operations.doctor.kafka_client import KafkaClient
from clickstream.operations.doctor.registry_client import RegistryClient
from clickstream.operations.doctor.result import CheckResult, fail, ok, warn
from core.errors import ClickstreamError

_READY = 200


def check_kafka(kafka: KafkaClient, address: str) -> CheckResult:
    """Kafka responds: its cluster id and the number of brokers."""
    try:
        cluster = kafka.cluster()
    except Exception as error:
        return _no_response(address, error, "KAFKA_BOOTSTRAP_SERVERS")
    return ok(f"{address}: cluster {cluster.cluster_id}, {cluster.brokers} broker(s)")


def check_registry(registry: RegistryClient, address: str) -> CheckResult:
    """The registry responds: the number of its subjects."""
    try:
        subjects = registry.subjects()
    except Exception as error:
        return _no_response(address, error, "SCHEMA_REGISTRY_URL")
    return ok(f"{address}: {len(subjects)} subject(s)")


def check_clickhouse(clickhouse: ClickHouseClient, address: str) -> CheckResult:
    """ClickHouse responds: its version. `address` must not hold a password."""
    try:
        version = clickhouse.version()
    except Exception as error:
        return _no_response(address, error, "CLICKHOUSE_URL")
    return ok(f"{address}: version {version}")


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


def _no_response(address: str, error: Exception, setting: str) -> CheckResult:
    """The result for any error: the question is the simplest that the server can answer."""
    if isinstance(error, ClickstreamError):  # it names the address and the setting
        return fail(str(error), "its log says why it ended or hangs")
    reason = str(error) or "no answer in time"
    return fail(
        f"no response from {address}: {reason}",
        f"start it, see its log; is CLICKSTREAM_{setting} right?",
    )
