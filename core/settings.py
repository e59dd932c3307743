"""Every setting, in one object, read from the environment and `.env`.

Names are `CLICKSTREAM_` + the field, groups are joined by a double underscore:
`CLICKSTREAM_WORKER__FLUSH_ROWS=20000`, `CLICKSTREAM_KAFKA__security_protocol=SASL_SSL`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Limits(BaseModel):
    """What one request may hold. A breach is refused with the limit and the amount."""

    body_bytes: int = Field(2 * 1024 * 1024, gt=0, description="largest body, bytes")
    items: int = Field(10_000, gt=0, description="most search results or events in a request")
    nesting: int = Field(64, gt=0, description="deepest nesting of a JSON value")
    id_chars: int = Field(512, gt=0, description="longest id, characters")
    text_chars: int = Field(65_536, gt=0, description="longest search query, characters")
    # 2 MiB take 17 s at 1 Mbit/s: shorter refuses slow phones, longer lets idle senders hold on.
    body_seconds: float = Field(30.0, gt=0, description="longest wait for a body before a 408")
    requests_per_second: float = Field(
        0.0,
        ge=0,
        description="requests that one key (without keys: one client address) may make in the long"
        " run, per process; beyond it a 429; 0: no limit",
    )
    burst: int = Field(
        100, gt=0, description="requests that it may make at once after a pause, if limited"
    )


def _split(value: object) -> object:
    """A list as it stands in the environment: separated by commas."""
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    return value


Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Keys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
"""Several keys, so that one can be rotated out. `core.http.keys` has the form of each."""


class HttpSettings(BaseModel):
    """Where the HTTP processes listen, and how much they take on at a time."""

    host: str = Field("127.0.0.1", description="address; beyond loopback only with keys set")
    port: int = Field(8000, ge=0, le=65535)
    ack_timeout_seconds: float = Field(
        5.0, gt=0, description="longest wait for Kafka's acknowledgement before a 503"
    )
    cors_origins: Origins = Field(
        (),
        description="origins whose pages may read the answers, as https://shop.example, separated"
        " by commas; * for every one; those that keys name are added; none: CORS is off",
    )
    connections: int = Field(8_192, gt=0, description="most connections; the next gets a 503")
    requests_in_flight: int = Field(
        4_096, gt=0, description="most requests at a time; the next gets a 503"
    )
    bytes_in_flight: int = Field(
        64 * 1024 * 1024, gt=0, description="most bytes of their bodies; the next gets a 503"
    )
    url_bytes: int = Field(8 * 1024, gt=0, description="longest URL before a 414")
    head_bytes: int = Field(
        64 * 1024, gt=0, description="longest request line and headers before a 431"
    )
    head_seconds: float = Field(
        10.0, gt=0, description="longest wait for the rest of a head before hanging up"
    )
    idle_seconds: float = Field(
        75.0,
        gt=0,
        description="longest silence between requests before hanging up; longer than the 60 s for"
        " which load balancers commonly keep connections",
    )
    write_seconds: float = Field(
        30.0, gt=0, description="longest that a client may read nothing of its answer"
    )


class TopicSettings(BaseModel):
    """How the topics are made. Partition counts are never changed in place."""

    prefix: str = Field("clickstream.", description="put before every topic's name")
    partitions: int = Field(8, gt=0)
    replication_factor: int = Field(1, gt=0, description="3 in production")
    min_insync_replicas: int = Field(1, gt=0, description="2 in production")
    retention_days: float = Field(7, gt=0)
    epoch: int = Field(
        0, ge=0, lt=2**15, description="raise by one when topics are deleted and made anew"
    )


class WorkerSettings(BaseModel):
    """How the sink batches."""

    group: str = Field("clickstream-sink", description="consumer group")
    flush_rows: int = Field(50_000, gt=0, description="rows that end a batch")
    flush_seconds: float = Field(
        0.26, gt=0, description="time after the last batch that ends the next one, seconds"
    )
    flush_bytes: int = Field(8 * 1024 * 1024, gt=0, description="Avro bytes that end a batch")
    buffer_bytes: int = Field(
        12 * 1024 * 1024, gt=0, description="Avro bytes held before fetching is paused"
    )
    index_bytes: int = Field(
        64 * 1024 * 1024, ge=0, description="memory of the index of recent sessions, bytes"
    )
    seen_bytes: int = Field(
        32 * 1024 * 1024,
        ge=0,
        description="memory of the filter that knows new sessions without a look-up, bytes; its"
        " power of two below counts, a tenth of its bits is a good number of sessions; 0 = off",
    )
    session_timeout_seconds: float = Field(
        8.0, gt=0, description="after this silence another worker takes over"
    )
    stall_seconds: float = Field(
        120.0, gt=0, description="a partition without progress for this long ends the process"
    )
    day_window_past: int = Field(
        35, ge=0, description="days before receipt that get a ClickHouse partition of their own"
    )
    day_window_future: int = Field(1, ge=0, description="the same, after receipt")
    metrics_port: int = Field(0, ge=0, le=65535, description="/metrics, /livez, /readyz; 0 = off")


class ReadSettings(BaseModel):
    """How long and how much a read may take."""

    wait_seconds: float = Field(
        5.0, gt=0, description="longest wait for the sink before a 503 instead of a guess"
    )
    max_waiters: int = Field(1_000, gt=0, description="reads that may wait for the sink at once")
    query_seconds: int = Field(30, gt=0, description="longest analytics query")
    settle_seconds: int = Field(
        60, ge=0, description="what lies still of a day for so long gets its facts; 0: never"
    )


class BackupSettings(BaseModel):
    """Where backups may go."""

    folder: Path | None = Field(
        None,
        description="folder in which the local ClickHouse may make backups, beside `backups` in"
        " its data folder; better on another disk",
    )
    s3_access_key_id: str | None = Field(
        None, description="for S3; without it ClickHouse uses what its own host has"
    )
    s3_secret_access_key: SecretStr | None = Field(None, description="belongs to it")


class Settings(BaseSettings):
    """The whole configuration of any process."""

    model_config = SettingsConfigDict(
        env_prefix="CLICKSTREAM_",
        env_nested_delimiter="__",
        env_file=".env",
        extra="ignore",
        frozen=True,
    )

    kafka_bootstrap_servers: str = "127.0.0.1:9092"
    # Not shown: it may carry a password, as may the options of Kafka's clients.
    schema_registry_url: str = Field("http://127.0.0.1:8081/apis/ccompat/v7", repr=False)
    clickhouse_url: SecretStr = SecretStr("http://127.0.0.1:8123/clickstream")
    write_keys: Keys = Field((), description="keys that may write; docs/security.md says how")
    read_keys: Keys = Field((), description="keys that may read")
    admin_keys: Keys = Field((), description="keys that may do everything")
    https_ca_file: str | None = Field(
        None,
        description="PEM file with the authorities trusted for https:// to ClickHouse and the"
        " registry; without it the system's",
    )
    user_id_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="secret of at least 16 characters: user ids are then stored only as a hash that"
        " is keyed with it; docs/privacy.md has the consequences",
    )
    kafka: dict[str, str] = Field(
        default_factory=dict,
        repr=False,
        description="any Kafka client option, dots as underscores: security_protocol, …",
    )

    retention_days: int = Field(
        0,
        ge=0,
        description="sessions and what belongs to them are deleted so many days after the search,"
        " from tables and topics; 0: tables keep them for ever; `clickstream migrate` and"
        " `clickstream topics retain` apply it",
    )

    http: HttpSettings = HttpSettings()
    limits: Limits = Limits()
    topics: TopicSettings = TopicSettings()
    worker: WorkerSettings = WorkerSettings()
    reads: ReadSettings = ReadSettings()
    backup: BackupSettings = BackupSettings()
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_format: Literal["console", "json"] = Field(
        "console", description="console: a line of text for each record; json: an object"
    )

    def kafka_options(self) -> dict[str, str]:
        """Options for librdkafka clients: the servers, and what was passed through."""
        passed = {name.replace("_", "."): value for name, value in self.kafka.items()}
        return {"bootstrap.servers": self.kafka_bootstrap_servers, **passed}
