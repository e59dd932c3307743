"""Every setting, in one object, read from the environment and `.env`.

Names are `CLICKSTREAM_` + the field, groups are joined by a double underscore:
`CLICKSTREAM_WORKER__FLUSH_ROWS=20000`, `CLICKSTREAM_KAFKA__security_protocol=SASL_SSL`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.declared_paths import check_dimensions, check_event_value
from core.ids import ID_BYTES
from core.server_urls import check_ca_file, check_registry_urls, clickhouse_address


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Group):
    """Limits of one request. A refusal names the limit and the amount."""

    body_bytes: int = Field(
        2 * 1024 * 1024, gt=0, description="Largest request body, bytes. Beyond it: 413."
    )
    items: int = Field(
        10_000,
        gt=0,
        le=65_535,  # positions are stored in 16 bits
        description="Most search results, or events, in one request; 65535 at most.",
    )
    nesting: int = Field(64, gt=0, description="Deepest nesting of a JSON value.")
    id_bytes: int = Field(
        ID_BYTES,
        gt=0,
        le=ID_BYTES,
        description="Longest id of a session, event, object or user, and longest event type, bytes "
        "of UTF-8.",
    )
    text_chars: int = Field(65_536, gt=0, description="Longest search query, characters.")
    # 2 MiB take 17 s at 1 Mbit/s: shorter refuses slow phones, longer lets idle senders hold on.
    body_seconds: float = Field(
        30.0, gt=0, description="Longest time in which a request body must arrive. Beyond it: 408."
    )
    requests_per_second: float = Field(
        0.0,
        ge=0,
        description="Requests a second, on average, that each client address may make with each "
        "key, or without keys, of each process. Beyond it: 429. 0: no limit.",
    )
    burst: int = Field(
        100,
        gt=0,
        description="Requests that it may make at once after a pause, if requests_per_second is "
        "set.",
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_old_name(cls, values: object) -> object:
        if isinstance(values, dict) and any(str(name).lower() == "id_chars" for name in values):
            raise ValueError("id_chars is now id_bytes, and counts bytes: at most 512")
        return values


def _split(value: object) -> object:
    """The items of a list that the environment separates by commas."""
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    return value


Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Keys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
"""Several keys, so that one can be rotated out. `core.http.keys` has the form of each."""


def _check_clickhouse_url(url: SecretStr) -> SecretStr:
    clickhouse_address(url.get_secret_value())
    return url


class HttpSettings(_Group):
    """Where HTTP processes listen, their timeouts, and how much they do at a time."""

    host: str = Field(
        "127.0.0.1",
        description="Address on which the HTTP processes listen. Other than loopback only with "
        "keys set.",
    )
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        description="Port on which the HTTP processes listen.",
    )
    ack_timeout_seconds: float = Field(
        5.0,
        ge=2,  # the producer needs a second of it to report what is overdue
        description="Longest wait for Kafka to acknowledge a write. Beyond it: 503.",
    )
    cors_origins: Texts = Field(
        (),
        description="Origins whose pages may read responses, as https://shop.example, separated by "
        "commas. *: every origin. Origins that keys name are added. None: CORS is off.",
    )
    trusted_proxies: Texts = Field(
        (),
        description="Addresses or networks of the proxies in front, separated by commas, such as "
        "10.0.0.0/8. From them alone X-Forwarded-For is believed, for the rate and the share of "
        "each client; and they may have every connection.",
    )
    connections: int = Field(8_192, gt=0, description="Most open connections. The next gets a 503.")
    requests_in_flight: int = Field(
        4_096, gt=0, description="Most requests in progress. The next gets a 503."
    )
    bytes_in_flight: int = Field(
        64 * 1024 * 1024,
        gt=0,
        description="Most bytes of request bodies in progress, and of records that Kafka "
        "has not acknowledged. The next request gets a 503.",
    )
    client_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Largest part of the connections, of the requests and of the bytes in progress "
        "that one client address may have: beyond it 503, for that client. 1: all. Behind a proxy "
        "that trusted_proxies does not name, all clients are one.",
    )
    shutdown_delay_seconds: float = Field(
        0.0,
        ge=0,
        description="From SIGTERM on /readyz says 503; for this long requests are served as ever, "
        "so that load balancers send theirs elsewhere. Then the port closes. Behind a balancer: "
        "the time between its probes, times the failures that it waits for.",
    )
    url_bytes: int = Field(8 * 1024, gt=0, description="Longest URL, bytes. Beyond it: 414.")
    head_bytes: int = Field(
        64 * 1024, gt=0, description="Longest request line and headers, bytes. Beyond it: 431."
    )
    head_seconds: float = Field(
        10.0,
        gt=0,
        description="Longest time in which request line and headers must arrive. Beyond it the "
        "connection is closed.",
    )
    idle_seconds: float = Field(
        75.0,
        gt=0,
        description="An idle connection is closed after this time. Keep it longer than the idle "
        "timeout of the load balancer, commonly 60 s.",
    )
    write_seconds: float = Field(
        30.0,
        gt=0,
        description="A connection is closed when the client reads nothing of its response for this "
        "long.",
    )


class TopicSettings(_Group):
    """How topics are created. The number of partitions is never changed in place."""

    prefix: str = Field("clickstream.", description="Start of every topic's name.")
    partitions: int = Field(
        8,
        gt=0,
        description="Partitions of each topic, and the most workers that can share the work. It "
        "cannot be changed later without new topics: choose for the largest load that you expect.",
    )
    replication_factor: int = Field(1, gt=0, description="Copies of each topic. 3 in production.")
    min_insync_replicas: int = Field(
        1,
        gt=0,
        description="Copies that must have a record before it is acknowledged. 2 in production.",
    )
    retention_days: float = Field(
        7,
        gt=0,
        description="Kafka deletes records after this many days. A rebuild can use only what Kafka "
        "still has.",
    )
    epoch: int = Field(
        0,
        ge=0,
        lt=2**15,
        description="The least that the epoch of the topics is. It rises by itself when they are "
        "deleted and created again; a worker writes it down in the table _topic_epochs.",
    )


class WorkerSettings(_Group):
    """How a worker batches, how much memory it uses, and when it gives up."""

    group: str = Field("clickstream-sink", description="Kafka consumer group of the workers.")
    instance_id: str = Field(
        "",
        # Kafka's own rule for it.
        pattern=r"^[A-Za-z0-9._-]{0,249}$",
        description="Name of this worker in its group, such as the pod's; no two workers may have "
        "the same. One that starts again under its name within session_timeout_seconds has its "
        "partitions back and moves nobody else's; one that leaves for good holds them for so long. "
        "Empty: each start and each end shares the partitions out anew.",
    )
    flush_rows: int = Field(
        50_000, gt=0, description="A batch is written at the latest with this many records."
    )
    flush_seconds: float = Field(
        0.26,
        gt=0,
        description="Longest time between two batches, while there is something to write.",
    )
    parts_at_ease: int = Field(
        300,
        gt=0,
        description="With more active parts than this in one partition of a table, batches come "
        "more rarely, at most every 10 s. ClickHouse itself slows inserts down at 1,000.",
    )
    flush_bytes: int = Field(
        8 * 1024 * 1024,
        gt=0,
        description="A batch is written at the latest with this many bytes of Avro.",
    )
    buffer_bytes: int = Field(
        12 * 1024 * 1024,
        gt=0,
        description="A worker stops fetching while it holds this many bytes of Avro.",
    )
    index_bytes: int = Field(
        64 * 1024 * 1024,
        ge=0,
        description="Memory for the index of recent sessions, bytes. Events of sessions in it are "
        "joined without a query.",
    )
    seen_bytes: int = Field(
        32 * 1024 * 1024,
        ge=0,
        description="Memory for the filter that recognises new sessions without a query, bytes. "
        "Rounded down to a power of two; size it at 10 bits per stored session. 0: off.",
    )
    max_waiting_per_session: int = Field(
        10_000,
        gt=0,
        description="Most events that wait for one session that has not come. Further ones become "
        "dead letters (too_many_waiting), which can be republished once it has.",
    )
    session_timeout_seconds: float = Field(
        8.0,
        gt=0,
        description="Another worker takes over the partitions of a worker that is silent for this "
        "long.",
    )
    stall_seconds: float = Field(
        120.0,
        gt=0,
        description="A worker ends when a partition with new records makes no progress for this "
        "long; a supervisor restarts it.",
    )
    day_window_past: int = Field(
        35,
        ge=0,
        description="Sessions up to this many days older than their receipt get the ClickHouse "
        "partition of their own day; older ones share one partition.",
    )
    day_window_future: int = Field(
        1, ge=0, description="The same for sessions dated later than their receipt."
    )
    metrics_host: str = Field(
        "127.0.0.1",
        description="Address of the worker's /metrics, /livez and /readyz. They ask for no key: "
        "0.0.0.0 only where the network keeps strangers out, as a kubelet and Prometheus need it.",
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Port of the worker's /metrics, /livez and /readyz. 0: off."
    )


class ReadSettings(_Group):
    """How long reads may wait and run."""

    wait_seconds: float = Field(
        5.0, gt=0, description="Longest wait of a read for the sink. Beyond it: 503."
    )
    max_waiters: int = Field(
        1_000, gt=0, description="Most reads that wait for the sink. The next gets a 503."
    )
    query_seconds: int = Field(
        30, gt=0, description="Longest time of an analytics query. Beyond it: 503."
    )
    questions_per_key: int = Field(
        4,
        gt=0,
        description="Analytics questions of each key, or of everybody without keys, that one "
        "process lets ClickHouse work on at a time. Others wait; when 16 times as many wait, or "
        "one waits as long as a query may take, that is a 429.",
    )
    tails_per_key: int = Field(
        4,
        gt=0,
        description="Most streams of /events/tail that each key, or everybody without keys, may "
        "have open in one process. The next gets a 429.",
    )


class BackupSettings(_Group):
    """Where backups are stored."""

    folder: Path | None = Field(
        None,
        description="Folder in which the local ClickHouse may make backups, besides `backups` in "
        "its data folder. Best on another disk.",
    )
    s3_access_key_id: str | None = Field(
        None,
        description="Access key for backups to S3. None: ClickHouse uses the credentials of its "
        "own host.",
    )
    s3_secret_access_key: SecretStr | None = Field(
        None, description="Secret that belongs to s3_access_key_id."
    )


class ReleaseSettings(_Group):
    """Where releases are stored, and how large they may be."""

    uri: str = Field(
        "",
        repr=False,
        description="Where releases are stored: a folder, or s3://bucket/path, with "
        "?endpoint_override=, &region= and &scheme= where it is not AWS. Every read API and "
        "`erase` must have the same. Empty: there are no releases; `clickstream up` keeps them in "
        "its data folder.",
    )
    s3_access_key_id: str | None = Field(
        None, description="Access key for releases on S3. None: the credentials of the host."
    )
    s3_secret_access_key: SecretStr | None = Field(
        None, description="Secret that belongs to s3_access_key_id."
    )
    most: int = Field(100, gt=0, description="Most releases that are kept, retired ones aside.")
    most_sessions: int = Field(
        100_000_000, gt=0, description="Most sessions of a release. Beyond it: 422."
    )
    sessions_per_file: int = Field(
        20_000,
        gt=0,
        le=1_000_000,
        description="Sessions in each file of a release. An erasure or a mark takes a whole file "
        "away, so small files lose less.",
    )


class LocalSettings(_Group):
    """The servers that `clickstream up` starts on this machine."""

    clickhouse_binary: Path | None = Field(
        None,
        description="Program to run as ClickHouse, instead of the pinned library that is "
        "downloaded.",
    )
    native_port: bool = Field(
        False,
        description="Whether the local ClickHouse serves its native protocol too. A client that "
        "resets its connection then ends the server; it is restarted.",
    )
    allow_unpinned: bool = Field(
        False,
        description="Whether to download a ClickHouse library for which no checksum is pinned.",
    )


class Settings(BaseSettings):
    """The configuration of every process. Immutable, with its groups."""

    model_config = SettingsConfigDict(
        env_prefix="CLICKSTREAM_",
        env_nested_delimiter="__",
        env_file=".env",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # it may be a password
    )

    kafka_bootstrap_servers: str = Field(
        "127.0.0.1:9092", description="Kafka brokers, as host:port, separated by commas."
    )
    # Not shown: it may carry a password, as may the options of Kafka's clients.
    schema_registry_url: Annotated[str, AfterValidator(check_registry_urls)] = Field(
        "http://127.0.0.1:8081/apis/ccompat/v7",
        repr=False,
        description="URL of the schema registry, with its user and password if it needs them.",
    )
    clickhouse_url: Annotated[SecretStr, AfterValidator(_check_clickhouse_url)] = Field(
        SecretStr("http://127.0.0.1:8123/clickstream"),
        description="URL of ClickHouse and the database: "
        "http(s)://user:password@host:port/database.",
    )
    clickhouse_cluster: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_-]*$",
        description="Name of the cluster in remote_servers of ClickHouse's configuration, when the "
        "tables are to be sharded and replicated. The URL names one of its nodes, or a load "
        'balancer before them. Empty: one server. docs/operations.md, "A cluster".',
    )
    write_keys: Keys = Field(
        (),
        description="API keys that may write, separated by commas. docs/security.md describes "
        "their form.",
    )
    read_keys: Keys = Field((), description="API keys that may read, separated by commas.")
    admin_keys: Keys = Field(
        (), description="API keys that may do everything, separated by commas."
    )
    https_ca_file: Annotated[str | None, AfterValidator(check_ca_file)] = Field(
        None,
        description="PEM file with the certificate authorities to trust for https:// to ClickHouse "
        "and the registry, and of `doctor` to a proxy. None: those of the operating system.",
    )
    user_id_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="Secret of at least 16 characters. With it, user ids are stored only as a hash "
        "keyed with it. docs/privacy.md has the consequences.",
    )
    kafka: dict[str, str] = Field(
        default_factory=dict,
        repr=False,
        description="Any option of Kafka clients, its dots as underscores: security_protocol, …",
    )

    retention_days: int = Field(
        0,
        ge=0,
        description="Sessions and all that belongs to them are deleted this many days after the "
        "search, from tables and topics. 0: tables keep them for ever. `clickstream "
        "migrate` and `clickstream topics retain` apply it.",
    )
    variant_fields: Annotated[Texts, Field(max_length=8)] = Field(
        ("variant",),
        description="Fields of search_meta that name the variant of an experiment in which a "
        "search took part, separated by commas; 8 at most. Workers note them of the sessions that "
        "come, so a change leaves earlier ones as they are.",
    )
    dimensions: Annotated[Texts, Field(max_length=16), AfterValidator(check_dimensions)] = Field(
        (),
        description="Paths of search_meta, payload_filter and search_results.meta by which "
        "analytics group and filter, such as search_meta.device,search_results.meta.source, "
        "separated by commas; 16 at most. Values are text of at most 128 bytes. Workers note them "
        "of the sessions that come, so a change leaves earlier ones as they are.",
    )
    event_value: Annotated[str, AfterValidator(check_event_value)] = Field(
        "",
        description="Path of a number in the meta of events that is what an event is worth, such "
        "as meta.amount. Empty: none. Workers note it of the events that come.",
    )

    http: HttpSettings = HttpSettings()
    limits: Limits = Limits()
    topics: TopicSettings = TopicSettings()
    worker: WorkerSettings = WorkerSettings()
    reads: ReadSettings = ReadSettings()
    backup: BackupSettings = BackupSettings()
    releases: ReleaseSettings = ReleaseSettings()
    local: LocalSettings = LocalSettings()
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    traces_url: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="Where traces go, by OTLP over HTTP: http://collector:4318/v1/traces. Requests "
        "whose `traceparent` says that they are sampled are traced, as far as their insert. Empty: "
        "off.",
    )
    log_format: Literal["console", "json"] = Field(
        "console",
        description="console: one line of text per record. json: one JSON object per line.",
    )

    def kafka_options(self) -> dict[str, str]:
        """Options for librdkafka clients: the servers, and what was passed through."""
        passed = {name.replace("_", "."): value for name, value in self.kafka.items()}
        return {"bootstrap.servers": self.kafka_bootstrap_servers, **passed}
