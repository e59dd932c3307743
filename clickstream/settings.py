"""Every setting, in one object, read from the environment and `.env`.

Names are `CLICKSTREAM_` + the field, groups are joined by a double underscore:
`CLICKSTREAM_WORKER__FLUSH_ROWS=20000`, `CLICKSTREAM_KAFKA__security_protocol=SASL_SSL`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Limits(BaseModel):
    """What one request may hold. A breach is refused with the limit and the amount."""

    body_bytes: int = Field(2 * 1024 * 1024, gt=0, description="largest body, bytes")
    items: int = Field(10_000, gt=0, description="most search results or events in a request")
    nesting: int = Field(64, gt=0, description="deepest nesting of a JSON value")
    id_chars: int = Field(512, gt=0, description="longest id, characters")


class HttpSettings(BaseModel):
    """Where the HTTP processes listen."""

    host: str = Field("127.0.0.1", description="address; beyond loopback only with keys set")
    port: int = Field(8000, ge=0, le=65535)
    ack_timeout_seconds: float = Field(
        5.0, gt=0, description="longest wait for Kafka's acknowledgement before a 503"
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
    flush_seconds: float = Field(0.25, gt=0, description="age that ends a batch, seconds")
    flush_bytes: int = Field(16 * 1024 * 1024, gt=0, description="Avro bytes that end a batch")
    buffer_bytes: int = Field(
        32 * 1024 * 1024, gt=0, description="Avro bytes held before fetching is paused"
    )
    index_bytes: int = Field(
        128 * 1024 * 1024, ge=0, description="memory of the index of recent sessions, bytes"
    )
    seen_bytes: int = Field(
        64 * 1024 * 1024,
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
        60, ge=0, description="a day nothing was written to for so long gets its facts; 0: never"
    )


Keys = Annotated[tuple[SecretStr, ...], NoDecode]


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
    schema_registry_url: str = "http://127.0.0.1:8081/apis/ccompat/v7"
    clickhouse_url: SecretStr = SecretStr("http://127.0.0.1:8123/clickstream")
    write_keys: Keys = ()
    read_keys: Keys = ()
    admin_keys: Keys = ()
    kafka: dict[str, str] = Field(
        default_factory=dict,
        description="any Kafka client option, dots as underscores: security_protocol, …",
    )

    http: HttpSettings = HttpSettings()
    limits: Limits = Limits()
    topics: TopicSettings = TopicSettings()
    worker: WorkerSettings = WorkerSettings()
    reads: ReadSettings = ReadSettings()
    log_level: str = "INFO"

    @field_validator("write_keys", "read_keys", "admin_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        """Several keys, separated by commas, so that one can be rotated out."""
        if isinstance(value, str):
            return tuple(key.strip() for key in value.split(",") if key.strip())
        return value

    def kafka_options(self) -> dict[str, str]:
        """Options for librdkafka clients: the servers, and what was passed through."""
        passed = {name.replace("_", "."): value for name, value in self.kafka.items()}
        return {"bootstrap.servers": self.kafka_bootstrap_servers, **passed}
