"""Kafka → fetched batches, from given offsets to given ends. It joins no group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from clickstream.operations.log_offsets import Offsets
from core.clock import Clock
from core.errors import BrokerUnavailable, SetupError
from core.kafka.partitions import Partition
from core.settings import Settings
from stream_processors.consume.batches import FetchedBatch, Record, Records

# How long to wait for a batch to fill. The last batch of all fills exactly, so only gaps in the log
# (transaction markers) cost this time. Seconds.
_FILL_SECONDS = 0.5

# The broker tells that a partition is at its end after waiting this long for more. Milliseconds.
_WAIT_MS = 50

# Without any record for this long, Kafka is down. Seconds.
_SILENCE_SECONDS = 60.0

_HOPELESS = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART})


class LogReader:
    """A consumer that reads ranges of partitions. Close it, or use it as a context manager."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Connects when it is first used."""
        self._clock = clock
        self._servers = settings.kafka_bootstrap_servers
        self._consumer = Consumer(
            {
                **settings.kafka_options(),
                # A name for quotas and access rules; nobody joins it.
                "group.id": f"{settings.worker.group}-replay",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                # As the workers read: the rows must be theirs, and what was aborted is in none.
                "isolation.level": "read_committed",
                # A range that retention deletes under our hands must not be skipped.
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": _WAIT_MS,
                "log_level": "0",
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._consumer.close()

    def read(self, starts: Offsets, ends: Offsets, rows: int) -> Iterator[list[FetchedBatch]]:
        """Every record with start ≤ offset < end, each partition in order, some `rows` at a time.

        Raises BrokerUnavailable when Kafka falls silent, SetupError when a record that was asked
        for has been deleted meanwhile.
        """
        positions = {p: start for p, start in starts.items() if start < ends[p]}
        self._consumer.assign([TopicPartition(*p, offset) for p, offset in positions.items()])
        heard = self._clock.monotonic()
        while positions:
            left = sum(ends[p] - offset for p, offset in positions.items())
            messages = self._consumer.consume(min(rows, left), timeout=_FILL_SECONDS)
            if messages:
                heard = self._clock.monotonic()
            elif self._clock.monotonic() - heard > _SILENCE_SECONDS:
                raise BrokerUnavailable(f"Kafka at {self._servers} has fallen silent")
            batches = self._take(messages, positions, ends)
            self._leave([p for p, offset in positions.items() if offset >= ends[p]], positions)
            if batches:
                yield batches

    def _take(
        self, messages: Sequence[Message], positions: dict[Partition, int], ends: Offsets
    ) -> list[FetchedBatch]:
        """Sort by partition, and move the positions on."""
        records: dict[Partition, list[Record]] = {}
        for message in messages:
            place = Partition(str(message.topic()), int(message.partition() or 0))
            if (error := message.error()) is not None:
                self._take_error(error, place, message, positions)
            elif place in positions and (record := _record(message)).offset < ends[place]:
                records.setdefault(place, []).append(record)
                positions[place] = record.offset + 1
            elif place in positions:
                positions[place] = ends[place]
        return [
            FetchedBatch(place, 0, found[0].offset, found[-1].offset + 1, [Records.of(found)])
            for place, found in records.items()
        ]

    def _take_error(
        self,
        error: KafkaError,
        place: Partition,
        message: Message,
        positions: dict[Partition, int],
    ) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            # Also behind records that are never delivered: transaction markers.
            if place in positions:
                positions[place] = max(positions[place], int(message.offset() or 0))
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise SetupError(
                f"{place.topic}/{place.partition} was deleted faster than it was replayed:"
                " retention has reached what this replay was to read. Start it again"
            )
        elif error.fatal() or error.code() in _HOPELESS:
            raise SetupError(f"Kafka at {self._servers}: {error.str()}")
        # Others pass, or end in silence.

    def _leave(self, done: Sequence[Partition], positions: dict[Partition, int]) -> None:
        """Stop fetching what has been read."""
        if not done:
            return
        for place in done:
            del positions[place]
        try:
            self._consumer.incremental_unassign([TopicPartition(*place) for place in done])
        except KafkaException as error:
            raise BrokerUnavailable(f"Kafka at {self._servers}: {error}") from error


def _record(message: Message) -> Record:
    """Without its headers. The library ends the process at a header whose name is no UTF-8, and no
    record of ours needs any to be stored; only a dead letter that is stored anew lacks them."""
    return Record(int(message.offset() or 0), message.key(), message.value())
