"""ClickHouse's own Kafka engine with materialized views: the same topics, copied without a join."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.client import Client

from core import clickhouse
from core.settings import Settings
from schemas.topics import Topics

GROUP = "kafka-engine"

# What `kafka_num_consumers` may be at most is the number of cores; one thread each and larger
# blocks than the default of 65,409 rows did not make it cheaper.
_ENGINE = """
CREATE TABLE {name}_queue ({columns}) ENGINE = Kafka
SETTINGS kafka_broker_list = '{brokers}', kafka_topic_list = '{topic}',
    kafka_group_name = '{group}', kafka_format = 'AvroConfluent',
    format_avro_schema_registry_url = '{registry}',
    kafka_num_consumers = {consumers}, kafka_thread_per_consumer = {threads}
"""

_EVENT_COLUMNS = """
    session_id String, event_id String, object_id String, event_type String,
    created_at DateTime64(3, 'UTC'), meta Nullable(String), received_at DateTime64(3, 'UTC')
"""

COPIED_EVENTS = """
CREATE TABLE copied_events
(
    session_id String CODEC(ZSTD(1)), event_id String CODEC(ZSTD(1)),
    object_id String CODEC(ZSTD(1)), event_type LowCardinality(String) CODEC(ZSTD(1)),
    created_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)), meta Nullable(String) CODEC(ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    kafka_partition UInt32 CODEC(T64, ZSTD(1)), version UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(created_at) ORDER BY (session_id, event_id)
"""

_SESSION_COLUMNS = """
    session_id String, search_query String,
    search_results Array(Tuple(object_id String, rank Nullable(Float64), meta Nullable(String))),
    search_meta Nullable(String), payload_filter Nullable(String), sort_by Nullable(String),
    user_id Nullable(String), created_at DateTime64(3, 'UTC'), received_at DateTime64(3, 'UTC')
"""

_SESSIONS = """
CREATE TABLE copied_sessions
(
    session_id String CODEC(ZSTD(1)), search_query String CODEC(ZSTD(1)),
    search_results Nested(object_id String, rank Nullable(Float64), meta Nullable(String))
        CODEC(ZSTD(1)),
    search_meta Nullable(String) CODEC(ZSTD(1)), payload_filter Nullable(String) CODEC(ZSTD(1)),
    sort_by Nullable(String) CODEC(ZSTD(1)), user_id Nullable(String) CODEC(ZSTD(1)),
    created_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    kafka_partition UInt32 CODEC(T64, ZSTD(1)), version UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(created_at) ORDER BY session_id
"""

_COPY_EVENTS = """
CREATE MATERIALIZED VIEW events_copy TO copied_events AS
SELECT *, toUInt32(_partition) AS kafka_partition, 18446744073709551615 - _offset AS version
FROM events_queue
"""

_COPY_SESSIONS = """
CREATE MATERIALIZED VIEW sessions_copy TO copied_sessions AS
SELECT
    session_id, search_query,
    search_results.object_id AS `search_results.object_id`,
    search_results.rank AS `search_results.rank`,
    search_results.meta AS `search_results.meta`,
    search_meta, payload_filter, sort_by, user_id, created_at, received_at,
    toUInt32(_partition) AS kafka_partition, 18446744073709551615 - _offset AS version
FROM sessions_queue
"""


class KafkaEngine:
    """Tables, queues and views in one database. It consumes as soon as it is started."""

    def __init__(self, settings: Settings, client: Client, consumers: int) -> None:
        self._settings = settings
        self._client = client
        self._consumers = consumers

    def copy_events(self) -> None:
        """Begin with the events topic."""
        self._copy(
            "events",
            Topics.from_settings(self._settings).events,
            _EVENT_COLUMNS,
            COPIED_EVENTS,
            _COPY_EVENTS,
        )

    def copy_sessions(self) -> None:
        """Begin with the sessions topic."""
        topic = Topics.from_settings(self._settings).sessions
        self._copy("sessions", topic, _SESSION_COLUMNS, _SESSIONS, _COPY_SESSIONS)

    def count(self, name: str) -> int:
        """Distinct rows copied of `events` or `sessions`."""
        query = f"SELECT count() FROM copied_{name} FINAL"  # noqa: S608 - a name of our own
        return int(self._client.query(query).result_rows[0][0])

    def stop(self) -> None:
        """Drop the queues: dropping a database would wait for their consumers."""
        for name in ("events", "sessions"):
            self._client.command(f"DROP VIEW IF EXISTS {name}_copy SYNC")
            self._client.command(f"DROP TABLE IF EXISTS {name}_queue SYNC")

    def _copy(self, name: str, topic: str, columns: str, target: str, view: str) -> None:
        self._client.command(target)
        self._client.command(
            _ENGINE.format(
                name=name,
                columns=columns,
                brokers=self._settings.kafka_bootstrap_servers,
                topic=topic,
                group=GROUP,
                registry=self._settings.schema_registry_url,
                consumers=self._consumers,
                threads=int(self._consumers > 1),
            )
        )
        self._client.command(view)


@contextmanager
def kafka_engine(settings: Settings, consumers: int = 1) -> Iterator[KafkaEngine]:
    """Stopped at the end, its tables stay."""
    with clickhouse.connect(settings, role="clickstream bench") as client:
        engine = KafkaEngine(settings, client, consumers)
        try:
            yield engine
        finally:
            engine.stop()
