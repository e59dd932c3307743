"""Does each server answer at all? The culprit of an outage is named here, and only here."""

from __future__ import annotations

from clickstream.operations.doctor.clients import ClickHouseView, HttpView, KafkaView, RegistryView
from clickstream.operations.doctor.result import Verdict, fail, ok, warn
from core.errors import ClickstreamError

_READY = 200


def check_kafka(kafka: KafkaView, where: str) -> Verdict:
    """Reachable: its cluster and the number of brokers."""
    try:
        cluster = kafka.cluster()
    except Exception as error:
        return _silent(where, error, "KAFKA_BOOTSTRAP_SERVERS")
    return ok(f"{where}: cluster {cluster.cluster_id}, {cluster.brokers} broker(s)")


def check_registry(registry: RegistryView, where: str) -> Verdict:
    """Reachable: how many subjects it knows."""
    try:
        subjects = registry.subjects()
    except Exception as error:
        return _silent(where, error, "SCHEMA_REGISTRY_URL")
    return ok(f"{where}: {len(subjects)} subject(s)")


def check_clickhouse(clickhouse: ClickHouseView, where: str) -> Verdict:
    """Reachable: its version. `where` must not hold a password."""
    try:
        version = clickhouse.version()
    except Exception as error:
        return _silent(where, error, "CLICKHOUSE_URL")
    return ok(f"{where}: version {version}")


def check_http(http: HttpView, *, ours: bool) -> Verdict:
    """`/readyz` says yes. `ours`: a running `up` says that it listens there, so it must."""
    readiness = http.readiness()
    if readiness is None:
        seen = f"nobody listens at {http.url}"
        if ours:
            return fail(seen, "`clickstream up` runs without its HTTP process: see its log")
        return warn(seen, "start `clickstream edge`, or say where it is: doctor --url")
    if readiness.status != _READY:
        return fail(
            f"{http.url}/readyz answers {readiness.status}: {readiness.body}",
            "the reasons above are what it waits for",
        )
    return ok(f"{http.url} is ready")


def _silent(where: str, error: Exception, setting: str) -> Verdict:
    """Any error means the same here: what was asked is the least that a server can answer."""
    if isinstance(error, ClickstreamError):  # says where, and which setting to look at
        return fail(str(error), "its log says why it ended or hangs")
    why = str(error) or "no answer in time"
    return fail(
        f"{where} is silent: {why}",
        f"start it, see its log; is CLICKSTREAM_{setting} right?",
    )
