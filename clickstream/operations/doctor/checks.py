"""The list of the checks, in the order in which they are reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from clickstream.operations.doctor import connectivity_checks, pipeline_checks, schema_checks
from clickstream.operations.doctor.clickhouse_client import ClickHouseClient, ClickHouseQueries
from clickstream.operations.doctor.http_client import HttpClient, HttpProbe
from clickstream.operations.doctor.kafka_client import KafkaAdmin, KafkaClient
from clickstream.operations.doctor.registry_client import RegistryClient
from clickstream.operations.doctor.result import Check
from core.settings import Settings
from core.tls_check import clickhouse_server, kafka_server, registry_server
from schemas.instrumentation import HEALTH_CHECKS
from schemas.registry import ConfluentRegistry
from schemas.topics import Topics, definitions


@dataclass(frozen=True, slots=True)
class Clients:
    """A client for each server that is checked."""

    kafka: KafkaClient
    registry: RegistryClient
    clickhouse: ClickHouseClient
    http: HttpClient


@contextmanager
def connect(
    settings: Settings, http_url: str, request_seconds: float, full_seconds: float | None = None
) -> Iterator[Clients]:
    """Clients for the servers of the settings; each request ends after `request_seconds`.

    With `full_seconds`, ClickHouse is asked about all days, and a query of it may take so long.

    Raises SetupError when the URL of the registry is not one.
    """
    with ConfluentRegistry(
        settings.schema_registry_url,
        settings.https_ca_file,
        request_seconds=request_seconds,
        retries=0,
    ) as registry:
        yield Clients(
            KafkaAdmin(settings, request_seconds),
            registry,
            ClickHouseQueries(
                settings, full_seconds or request_seconds, full=full_seconds is not None
            ),
            HttpProbe(http_url, request_seconds, settings.https_ca_file),
        )


def checks(settings: Settings, clients: Clients, *, http_expected: bool) -> tuple[Check, ...]:
    """The checks for `run_checks`. `http_expected`: a running `up` names the HTTP URL, so something
    must listen there."""
    kafka, registry, clickhouse = clients.kafka, clients.registry, clients.clickhouse
    declared = definitions(settings)
    topics = Topics.from_settings(settings)
    connectivity, schema, pipeline = connectivity_checks, schema_checks, pipeline_checks
    return (
        Check("kafka", lambda: connectivity.check_kafka(kafka, kafka_server(settings))),
        Check("registry", lambda: connectivity.check_registry(registry, registry_server(settings))),
        Check(
            "clickhouse",
            lambda: connectivity.check_clickhouse(clickhouse, clickhouse_server(settings)),
        ),
        Check("http", lambda: connectivity.check_http(clients.http, expected=http_expected)),
        Check("topics", lambda: schema.check_topics(kafka, declared), ("kafka",)),
        Check("schemas", lambda: schema.check_schemas(registry, topics), ("registry",)),
        Check("tables", lambda: schema.check_tables(clickhouse), ("clickhouse",)),
        *(
            [Check("nodes", lambda: schema.check_nodes(clickhouse), ("clickhouse",))]
            if settings.clickhouse_cluster
            else []
        ),
        Check("worker", lambda: pipeline.check_worker(kafka), ("kafka",)),
        Check("lag", lambda: pipeline.check_lag(kafka), ("topics",)),
        Check("duplicates", lambda: pipeline.check_duplicates(clickhouse), ("tables",)),
        Check("hash collisions", lambda: pipeline.check_hash_collisions(clickhouse), ("tables",)),
        Check("dead letters", lambda: pipeline.check_dead_letters(clickhouse), ("tables",)),
        Check("unjoined", lambda: pipeline.check_unjoined(clickhouse), ("tables",)),
        *(
            Check(
                finding.replace("_", " "),
                partial(pipeline.check_instrumentation, clickhouse, finding),
                ("tables",),
            )
            for finding in HEALTH_CHECKS
        ),
    )
