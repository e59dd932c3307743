"""The list of checks of one system, in the order in which they are reported."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from clickstream.operations.doctor import (
    connectivity_checks,
    dead_letter_checks,
    pipeline_checks,
    schema_checks,
)
from clickstream.operations.doctor.clickhouse_client import LiveClickHouse
from clickstream.operations.doctor.clients import ClickHouseView, HttpView, KafkaView, RegistryView
from clickstream.operations.doctor.http_client import LiveHttp
from clickstream.operations.doctor.kafka_client import LiveKafka
from clickstream.operations.doctor.registry_client import LiveRegistry
from clickstream.operations.doctor.result import Check
from core.settings import Settings
from schemas.topics import Topics, definitions


@dataclass(frozen=True, slots=True)
class Views:
    """Everything that is looked at."""

    kafka: KafkaView
    registry: RegistryView
    clickhouse: ClickHouseView
    http: HttpView


def live_views(settings: Settings, http_url: str, request_seconds: float) -> Views:
    """The real servers that `settings` name."""
    return Views(
        LiveKafka(settings, request_seconds),
        LiveRegistry(settings.schema_registry_url, settings.https_ca_file, request_seconds),
        LiveClickHouse(settings, request_seconds),
        LiveHttp(http_url, request_seconds),
    )


def checks(settings: Settings, views: Views, *, http_is_ours: bool) -> tuple[Check, ...]:
    """What `examine` is to run. `http_is_ours`: a running `up` names that URL."""
    kafka, registry, clickhouse = views.kafka, views.registry, views.clickhouse
    declared = definitions(settings)
    topics = Topics.from_settings(settings)
    brokers = settings.kafka_bootstrap_servers
    return (
        Check("kafka", lambda: connectivity_checks.check_kafka(kafka, brokers)),
        Check(
            "registry",
            lambda: connectivity_checks.check_registry(
                registry, without_secrets(settings.schema_registry_url)
            ),
        ),
        Check(
            "clickhouse",
            lambda: connectivity_checks.check_clickhouse(
                clickhouse, without_secrets(settings.clickhouse_url.get_secret_value())
            ),
        ),
        Check("http", lambda: connectivity_checks.check_http(views.http, ours=http_is_ours)),
        Check("topics", lambda: schema_checks.check_topics(kafka, declared), ("kafka",)),
        Check("schemas", lambda: schema_checks.check_schemas(registry, topics), ("registry",)),
        Check("tables", lambda: schema_checks.check_tables(clickhouse), ("clickhouse",)),
        Check("worker", lambda: pipeline_checks.check_worker(kafka), ("kafka",)),
        Check("lag", lambda: pipeline_checks.check_lag(kafka), ("topics",)),
        Check("duplicates", lambda: pipeline_checks.check_duplicates(clickhouse), ("tables",)),
        Check("hashes", lambda: pipeline_checks.check_hashes(clickhouse), ("tables",)),
        Check(
            "dead letters", lambda: dead_letter_checks.check_dead_letters(clickhouse), ("tables",)
        ),
        Check("unjoined", lambda: pipeline_checks.check_unjoined(clickhouse), ("tables",)),
    )


def without_secrets(url: str) -> str:
    """The URL without user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
