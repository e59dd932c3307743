"""Kafka → fetched batches, from given offsets to given ends. It joins no group.

It reads as the workers do: headers of any bytes, and a batch that cannot be read is one row with
the reason.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.structs import TopicPartition

from clickstream.operations.log_offsets import Offsets
from core.clock import Clock
from core.errors import BrokerUnavailable, SetupError
from core.kafka.partitions import Partition
from core.settings import Settings
from stream_processors.consume.batches import FetchedBatch, Records
from stream_processors.consume.check_libraries import check_names
from stream_processors.consume.faust_app import consumer_options, most_unpacked_bytes
from stream_processors.consume.fetch_columns import deliver_columns

T = TypeVar("T")

# How long to wait until as many records have come as were asked for. Seconds.
_FILL_SECONDS = 0.5

# The broker tells that a partition is at its end after waiting this long for more. Milliseconds.
_WAIT_MS = 50

# Without any record for this long, Kafka is down. Seconds.
_SILENCE_SECONDS = 60.0

_HOPELESS = (
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)


class LogReader:
    """A consumer that reads ranges of partitions. Close it, or use it as a context manager.

    It fetches on a thread of its own, ahead of its caller.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Connects when it is first used."""
        self._settings = settings
        self._servers = settings.kafka_bootstrap_servers
        self._clock = clock
        self._consumer: AIOKafkaConsumer | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="log reader", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            if self._consumer is not None:
                self._on_loop(self._consumer.stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def read(self, starts: Offsets, ends: Offsets, rows: int) -> Iterator[list[FetchedBatch]]:
        """Every record with start ≤ offset < end, each partition in order, some `rows` at a time.

        Raises BrokerUnavailable when Kafka falls silent, SetupError when a record that was asked
        for has been deleted meanwhile.
        """
        positions = {p: start for p, start in starts.items() if start < ends[p]}
        if positions:
            self._on_loop(self._begin(positions))
        heard = self._clock.monotonic()
        while positions:
            before = dict(positions)
            found = self._on_loop(self._fetch(positions, ends, rows))
            if positions != before:
                heard = self._clock.monotonic()
            elif self._clock.monotonic() - heard > _SILENCE_SECONDS:
                raise BrokerUnavailable(f"Kafka at {self._servers} has fallen silent")
            yield from _portions(found, rows)

    async def _begin(self, positions: Offsets) -> None:
        """Fetch from there on."""
        if self._consumer is None:
            self._consumer = await self._connect()
        self._consumer.assign([TopicPartition(*place) for place in positions])
        for place, offset in positions.items():
            self._consumer.seek(TopicPartition(*place), offset)

    async def _connect(self) -> AIOKafkaConsumer:
        check_names()
        consumer = AIOKafkaConsumer(
            **consumer_options(self._settings),
            # As the workers read: the rows must be theirs, and what was aborted is in none.
            isolation_level="read_committed",
            # A range that retention deletes under our hands must not be skipped.
            auto_offset_reset="none",
            enable_auto_commit=False,
            fetch_max_wait_ms=_WAIT_MS,
        )
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        deliver_columns(consumer._fetcher, most_unpacked_bytes(self._settings))
        return consumer

    async def _fetch(
        self, positions: dict[Partition, int], ends: Offsets, rows: int
    ) -> list[FetchedBatch]:
        """What comes next. Moves the positions, and takes away those that have reached the end."""
        consumer, deadline = cast(AIOKafkaConsumer, self._consumer), self._loop.time()
        deadline += _FILL_SECONDS
        found: dict[Partition, list[Records]] = defaultdict(list)
        reached: dict[Partition, int] = {}
        missing = rows
        while positions and missing > 0 and (left := deadline - self._loop.time()) > 0:
            for tp, fetched in (await consumer.getmany(timeout_ms=int(left * 1000))).items():
                place = Partition(*tp)
                parts = [part for each in fetched if len(part := each.until(ends[place]))]
                found[place] += parts
                missing -= sum(len(part) for part in parts)
            for place in list(positions):
                tp = TopicPartition(*place)
                # Also behind records that are never delivered: transaction markers.
                positions[place] = reached[place] = min(await consumer.position(tp), ends[place])
                if reached[place] == ends[place]:
                    consumer.pause(tp)
                    del positions[place]
        return [
            FetchedBatch(place, 0, int(parts[0].offsets[0]), reached[place], parts)
            for place, parts in found.items()
            if parts
        ]

    def _on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it on the reader's own thread."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except OffsetOutOfRangeError as error:
            places = ", ".join(f"{topic}/{number}" for topic, number in error.args[0])
            raise SetupError(
                f"{places} was deleted faster than it was replayed: retention has reached what"
                " this replay was to read. Start it again"
            ) from error
        except _HOPELESS as error:
            raise SetupError(f"Kafka at {self._servers}: {error!r}") from error
        except KafkaError as error:
            raise BrokerUnavailable(f"Kafka at {self._servers}: {error!r}") from error


def _portions(batches: Sequence[FetchedBatch], rows: int) -> Iterator[list[FetchedBatch]]:
    """All of them in their order, at most so many rows at once."""
    portion: list[FetchedBatch] = []
    room = rows
    for batch in batches:
        rest = batch
        while len(rest) > room:
            records = Records.concat(rest.parts)
            cut = int(records.offsets[room])
            if room:
                portion.append(replace(rest, next=cut, parts=[records.until(cut)]))
            yield portion
            rest = replace(rest, first=cut, parts=[records.since(cut)])
            portion, room = [], rows
        portion.append(rest)
        room -= len(rest)
    if portion:
        yield portion
