"""Copy the topic of erasures to ClickHouse: after a restore, and before a replay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from clickstream.operations.erasure import queries
from clickstream.operations.log_reader import LogReader
from core.clickhouse.admin import Server
from core.clickhouse.client import database_of
from core.clock import Clock
from core.errors import BrokerUnavailable, RecordRejected
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.codec import Decoder
from schemas.contracts import ERASURE
from schemas.dead_letters import Reason
from schemas.registry import ConfluentRegistry
from schemas.topics import Topics

_REQUEST_SECONDS = 10.0

# Hashes in one statement, each with that of its user: 100 kB, a tenth of the longest URL.
_PAIRS = 800

# Records read at once.
_ROWS = 1_000

Erasure = dict[str, Any]
"""A decoded record of the topic; schemas/avro has its fields."""


def sync_from_kafka(settings: Settings, server: Server, clock: Clock) -> int:
    """Add the erasures that are in Kafka and not in ClickHouse; returns how many. Blocks.

    Raises BrokerUnavailable, RegistryUnavailable, SinkUnavailable. Raises RecordRejected for a
    record that is no erasure: only our own processes write to this topic, and skipping a record
    would show erased data again.
    """
    live = database_of(settings)
    known = {
        (str(user).lower(), int(cut_off))
        for user, cut_off in server.rows(queries.KNOWN_ERASURES, live=live)
    }
    before = _known(server, live)
    hashes = (
        _Hashes(server, live, "erased_sessions", "session_hash"),
        _Hashes(server, live, "erased_dead_letters", "dead_letter_hash"),
    )
    for erasure in read_erasures(settings, clock):
        user = erasure["user_hash"].hex()
        for kind, field in zip(hashes, ("session_hashes", "dead_letter_hashes"), strict=True):
            for hash_ in erasure[field]:
                kind.add(hash_.hex(), user)
        if (user, erasure["cut_off"]) not in known:
            fields = {name: erasure[name] for name in ("cut_off", "requested_at", "requested_by")}
            server.command(queries.ADD_ERASURE, live=live, user_hash=user, **fields)
    for kind in hashes:
        kind.flush()
    return _known(server, live) - before


class _Hashes:
    """Adds hashes to a table, many with one statement, without those that are there."""

    def __init__(self, server: Server, live: str, table: str, column: str) -> None:
        self._server = server
        self._live = live
        self._statement = queries.add_missing(table, column)
        self._pairs: list[tuple[str, str]] = []

    def add(self, hash_: str, user: str) -> None:
        """Both in hex."""
        self._pairs.append((hash_, user))
        if len(self._pairs) == _PAIRS:
            self.flush()

    def flush(self) -> None:
        """Add those that wait."""
        if self._pairs:
            hashes, users = (list(each) for each in zip(*self._pairs, strict=True))
            self._server.command(self._statement, live=self._live, hashes=hashes, users=users)
            self._pairs = []


def _known(server: Server, live: str) -> int:
    tables = ("erasures", "erased_sessions", "erased_dead_letters")
    return sum(server.number(queries.number_of(table), live=live) for table in tables)


def read_erasures(settings: Settings, clock: Clock) -> Iterator[Erasure]:
    """Every erasure that is in the topic now, in no particular order."""
    starts, ends = _watermarks(settings)
    with (
        ConfluentRegistry.from_settings(settings) as registry,
        LogReader(settings, clock) as reader,
    ):
        decoder = Decoder(ERASURE, registry)
        for batches in reader.read(starts, ends, _ROWS):
            for batch in batches:
                for part in batch.parts:
                    for why in part.undecodable.values():
                        place = f"{batch.source.topic}/{batch.source.partition}"
                        raise RecordRejected(Reason.UNDECODABLE_BATCH.value, f"{place}: {why}")
                    yield from (decoder.decode(value) for value in part.values.to_pylist())


def _watermarks(settings: Settings) -> tuple[dict[Partition, int], dict[Partition, int]]:
    """The first and the next offset of each partition."""
    topic = Topics.from_settings(settings).erasures
    consumer = Consumer(
        {
            **settings.kafka_options(),
            "group.id": f"{settings.worker.group}-replay",
            "log_level": "0",
        }
    )
    starts, ends = {}, {}
    try:
        for number in range(settings.topics.partitions):
            partition = Partition(topic, number)
            starts[partition], ends[partition] = consumer.get_watermark_offsets(
                TopicPartition(*partition), timeout=_REQUEST_SECONDS
            )
    except KafkaException as error:
        raise BrokerUnavailable(f"the topic of erasures cannot be read: {error}") from error
    finally:
        consumer.close()
    return starts, ends
