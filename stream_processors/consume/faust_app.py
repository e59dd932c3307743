"""The Faust application: its settings and its one agent."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import faust
from faust.tables import TableManager
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from core.settings import Settings
from schemas.topics import Topics, max_record_bytes
from stream_processors.consume.batches import FetchedBatch
from stream_processors.consume.faust_transport import BatchTransport

# Faust leaves the group when no record was taken for this long. A sink that is down for hours must
# not cost the membership: the watchdog, which knows why, judges progress instead. Seconds.
_MAX_POLL_SECONDS = 24 * 3600.0

# Messages (not records) queued between the fetcher and the agent; each may hold a megabyte.
_QUEUED_MESSAGES = 8

# Of each partition at once, as they come, compressed: half of the usual. What is fetched is held
# several times while it is taken apart; less than this costs CPU, by the batch.
_PARTITION_FETCH_BYTES = 512 * 1024

# Of each partition at once, unpacked, at least: a batch of more is set aside. Four of the largest
# records that we take ourselves always fit.
_UNPACKED_BYTES = 32 * 1024 * 1024

# Of the session timeout, and seconds at most. Members hear of a newcomer by their next heartbeat,
# and all of them stand still until the last has heard: a third, as is usual, would make that 2.7 s
# at worst.
_HEARTBEAT_SHARE = 1 / 8
_HEARTBEAT_SECONDS = 1.0

# Commits happen after each flush; this one only carries idle partitions forward. Seconds.
_COMMIT_SECONDS = 1.0


Gather = Callable[[Sequence[FetchedBatch]], Awaitable[None]]
"""Takes batches that were fetched at once, of any of the topics."""


class NoTables(TableManager):
    """Faust's, without the second that it leaves for tables to be declared: we have none, and the
    partitions of a worker that is restarted stand still for so long."""

    async def on_start(self) -> None:
        """Call when the app starts."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()


def build_app(settings: Settings, gather: Gather) -> faust.App:
    """An app that consumes the three topics; its one agent hands every batch to `gather`."""
    worker = settings.worker
    app = faust.App(
        worker.group,
        broker=[f"kafka://{server}" for server in settings.kafka_bootstrap_servers.split(",")],
        broker_credentials=_credentials(settings.kafka_options()),
        # Faust's own assignor: it gives partition n of every topic to the same worker, so a session
        # and its events always meet. 0 would select aiokafka's round robin, which separates them.
        table_standby_replicas=1,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=_PARTITION_FETCH_BYTES,
        broker_session_timeout=worker.session_timeout_seconds,
        broker_heartbeat_interval=min(
            worker.session_timeout_seconds * _HEARTBEAT_SHARE, _HEARTBEAT_SECONDS
        ),
        # With a name of its own it never leaves the group: see the setting.
        consumer_group_instance_id=worker.instance_id or None,
        broker_request_timeout=max(30.0, worker.session_timeout_seconds * 2),
        broker_max_poll_interval=_MAX_POLL_SECONDS,
        broker_commit_interval=_COMMIT_SECONDS,
        stream_buffer_maxsize=_QUEUED_MESSAGES,
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        store="memory://",
        TableManager=NoTables,
        # Faust makes a folder for tables, which we have none of: not in the working directory,
        # which may be read-only.
        datadir=Path(tempfile.gettempdir()) / "clickstream-faust",
        web_enabled=False,
    )
    app.transport = transport = BatchTransport(app.conf.broker_consumer, app)
    transport.unpacked_bytes = most_unpacked_bytes(settings)
    topics = Topics.from_settings(settings)
    channel = app.topic(
        topics.sessions,
        topics.events,
        topics.marks,
        key_serializer="raw",
        value_serializer="raw",
        acks=False,
    )

    async def sink(messages: faust.Stream[Sequence[FetchedBatch]]) -> None:
        async for batches in messages.noack():
            await gather(batches)

    app.agent(channel, name="sink")(cast(Any, sink))
    return app


def most_unpacked_bytes(settings: Settings) -> int:
    """The most that a batch of Kafka's may have uncompressed; one of more cannot be read."""
    return max(_UNPACKED_BYTES, 4 * max_record_bytes(settings))


def consumer_options(settings: Settings) -> dict[str, Any]:
    """For a consumer of aiokafka's own: the servers, how to get in, and how much to fetch."""
    return {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "max_partition_fetch_bytes": _PARTITION_FETCH_BYTES,
        **credentials_to_aiokafka_auth(_credentials(settings.kafka_options())),
    }


def _credentials(options: dict[str, str]) -> Any:
    """The client options of librdkafka, as Faust wants them."""
    protocol = options.get("security.protocol", "PLAINTEXT").upper()
    if protocol == "PLAINTEXT":
        return None
    context = _tls(options) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        return faust.SASLCredentials(
            mechanism=options.get("sasl.mechanism") or options.get("sasl.mechanisms", "PLAIN"),
            username=options.get("sasl.username"),
            password=options.get("sasl.password"),
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context)


def _tls(options: dict[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.get("ssl.ca.location"))
    if certificate := options.get("ssl.certificate.location"):
        context.load_cert_chain(
            certificate, options.get("ssl.key.location"), options.get("ssl.key.password")
        )
    return context
