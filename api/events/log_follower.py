"""`LogFollower`: what comes into Kafka from now on, read without joining a group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, Protocol
from weakref import WeakSet

from confluent_kafka import Consumer, TopicPartition

from api.events.record_decoder import RecordDecoder
from api.events.tail_records import TailRecord, Wanted
from core.clock import Clock
from core.errors import BrokerUnavailable
from core.kafka.offsets import KafkaOffsets
from core.kafka.partitioner import partition_of
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.registry import ConfluentRegistry, SchemaRegistry
from schemas.topics import Topics

# How long to wait for a record, seconds: a stream ends as soon as that. Then those that are there
# are taken, up to so many bytes: what a stream holds in Python.
_WAIT_SECONDS: Final = 0.2
_BATCH_BYTES: Final = 64 * 1024

# Bytes in a second that all streams of a process read together. Decoding takes 40 ns for each, and
# 7 µs for each record, and nothing else in this process runs meanwhile: this is some 10 % of a
# core. When more comes, the rest is passed over: a tail is for the eye.
_MOST_BYTES: Final = 2 * 1024 * 1024
_RECORD_BYTES: Final = 150  # what 7 µs are worth

# How long Kafka may take to say where the log ends.
_REQUEST_SECONDS: Final = 5.0

# What librdkafka holds for us at most, and in one fetch; its defaults are 64 and 50 MiB.
_QUEUE_KIB: Final = 4 * 1024
_FETCH_BYTES: Final = 1024 * 1024


class Followed(NamedTuple):
    """What came. `passed_over`: how many records were not looked at."""

    records: list[TailRecord]
    passed_over: int


class Ends(Protocol):
    """What is asked of `core.kafka.offsets.KafkaOffsets`; see there."""

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]: ...


class Follower(Protocol):
    """Follows the log from the moment of `start`."""

    async def start(self) -> None:
        """From now on nothing is missed but what is passed over. Raises BrokerUnavailable."""
        ...

    async def poll(self) -> Followed:
        """What has come since the last call, within a second or so; empty when nothing has. While
        Kafka is away, that is nothing."""
        ...

    def close(self) -> None:
        """Lets go of everything, soon; does not block. May be called again."""
        ...


class LogFollower:
    """`Follower` of the topics of sessions, events, marks and dead letters.

    It has a consumer of its own that never subscribes and never commits: workers do not notice it.
    """

    def __init__(
        self,
        settings: Settings,
        offsets: Ends,
        registry: SchemaRegistry,
        clock: Clock,
        session_id: str | None = None,
        new_consumer: Callable[[dict[str, Any]], Consumer] = Consumer,
        most_bytes: Callable[[], int] = lambda: _MOST_BYTES,
    ) -> None:
        """With a session id, only the partition of that session is read. `most_bytes` says how much
        may be read in a second."""
        topics = Topics.from_settings(settings)
        self._partitions = partitions_of_interest(topics, settings.topics.partitions, session_id)
        self._key = None if session_id is None else session_id.encode()
        self._offsets = offsets
        self._decoder = RecordDecoder(topics, registry)
        self._clock = clock
        # One thread: librdkafka's consumer is read and closed in turn.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tail")
        self._consumer = new_consumer(_options(settings))
        self._next: dict[Partition, int] = {}
        self._most_bytes = most_bytes
        self._read_since = 0.0
        self._read = 0
        self.is_closed = False

    async def start(self) -> None:
        await self._jump_to_ends()

    async def poll(self) -> Followed:
        passed_over = 0
        if self._read >= self._most_bytes():
            left = self._read_since + 1.0 - self._clock.monotonic()
            await asyncio.sleep(max(0.0, left))
            try:
                passed_over = await self._jump_to_ends()
            except BrokerUnavailable:
                return Followed([], 0)
        if self._clock.monotonic() - self._read_since >= 1.0:
            self._read_since, self._read = self._clock.monotonic(), 0
        records = await asyncio.get_running_loop().run_in_executor(self._thread, self._consume)
        return Followed(records, passed_over)

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._thread.submit(self._consumer.close)
            self._thread.shutdown(wait=False)

    async def _jump_to_ends(self) -> int:
        """Go on from where the log ends now. Returns how many records that passes over."""
        ends: Mapping[Partition, int] = await self._offsets.ends(self._partitions)
        passed_over = sum(
            max(0, ends[place] - offset) for place, offset in self._next.items() if place in ends
        )
        self._next = dict(ends)
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in ends.items()])
        return passed_over

    def _consume(self) -> list[TailRecord]:
        now = self._clock.monotonic()
        found, size, seconds = [], 0, _WAIT_SECONDS
        # One by one: a batch of librdkafka has a number of records, whatever their size.
        while size < _BATCH_BYTES and (record := self._consumer.poll(seconds)) is not None:
            seconds = 0.0
            size += _RECORD_BYTES
            # Errors are events here: librdkafka goes on by itself once the cause is over.
            if record.error() is not None:
                continue
            place = Partition(record.topic() or "", record.partition() or 0)
            self._next[place] = (record.offset() or 0) + 1
            if self._key is None or record.key() == self._key:
                size += len(record.value() or b"")
                found.append(self._decoder.decode(record, now))
        self._read += size
        return found


class Followers:
    """Makes followers; they share what asks Kafka for the ends of the log, the schemas, and what
    may be read in a second."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Connects when the first one is made."""
        self._settings = settings
        self._clock = clock
        self._offsets = KafkaOffsets(
            settings.kafka_options(), group=settings.worker.group, request_seconds=_REQUEST_SECONDS
        )
        self._registry: ConfluentRegistry | None = None
        self._open: WeakSet[LogFollower] = WeakSet()

    def new(self, wanted: Wanted) -> Follower:
        """One for these records; it is to be started, and closed."""
        if self._registry is None:
            self._registry = ConfluentRegistry.from_settings(self._settings)
        follower = LogFollower(
            self._settings,
            self._offsets,
            self._registry,
            self._clock,
            wanted.session_id,
            most_bytes=self._share,
        )
        self._open.add(follower)
        return follower

    def _share(self) -> int:
        """Of one follower."""
        return _MOST_BYTES // max(1, sum(not each.is_closed for each in self._open))

    async def close(self) -> None:
        """None of them may be used any more."""
        await self._offsets.close()
        if self._registry is not None:
            self._registry.close()


def partitions_of_interest(
    topics: Topics, count: int, session_id: str | None
) -> Sequence[Partition]:
    """Those in which records of this session may come; without one, all of them."""
    numbers = range(count) if session_id is None else [partition_of(session_id, count)]
    written = [
        Partition(topic, number)
        for topic in (topics.sessions, topics.events, topics.marks)
        for number in numbers
    ]
    # Dead letters lie anywhere: their keys may be wrong.
    return [*written, *(Partition(topics.dead_letters, number) for number in range(count))]


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "log_level": 2,  # librdkafka would report on stderr that a broker is away
        **settings.kafka_options(),
        # It has to have one. The workers' own, which this process may read already.
        "group.id": settings.worker.group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "latest",
        "fetch.wait.max.ms": 100,
        "fetch.message.max.bytes": _FETCH_BYTES,
        "fetch.max.bytes": max(_FETCH_BYTES, 4 * 1024 * 1024),
        "queued.max.messages.kbytes": _QUEUE_KIB,
    }
