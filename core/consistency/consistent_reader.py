"""Reads that are consistent with the writes acknowledged before them: a 404 is certain.

Why, in three steps. (1) A session that was acknowledged before a request lies below the end offset
of its partition, if that end is fetched after the request began. (2) The sink commits an offset
only after everything below it is in ClickHouse. (3) So once the committed offset has reached that
end, a second look-up finds the session if it was acknowledged before the request. When this cannot
be established, the answer is a 503: Kafka is silent, the sink is late, or too many requests wait.

On a cluster where a replica may lack what others have acknowledged, there is a step between (2) and
(3): every replica has caught up.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from core.clickhouse.replicas import ClusterReplicas, Replicas
from core.consistency.position import POSITION_HEADER, Position
from core.consistency.sink_progress import SinkProgress
from core.errors import (
    BrokerUnavailable,
    FieldError,
    InvalidRequest,
    SessionNotFound,
    SinkBehind,
)
from core.kafka.offsets import KafkaOffsets
from core.kafka.partitioner import partition_of
from core.kafka.partitions import Partition
from core.settings import ReadSettings, Settings
from core.telemetry import READ_WAIT_SECONDS, READ_WAITERS

T = TypeVar("T")


class TopicNames(Protocol):
    """Full names of the topics that writes go to."""

    @property
    def sessions(self) -> str: ...

    @property
    def events(self) -> str: ...

    @property
    def marks(self) -> str: ...


class ConsistentReader:
    """Looks up sessions, and waits for the sink where a single look-up could be wrong.

    One per process and event loop, shared by all requests. Every method ends within
    `reads.wait_seconds` plus the time of the caller's own look-ups.
    """

    def __init__(
        self,
        progress: SinkProgress,
        topics: TopicNames,
        replicas: Replicas,
        *,
        partitions: int,
        reads: ReadSettings,
    ) -> None:
        self._progress = progress
        self._replicas = replicas
        self._topics = topics
        self._partitions = partitions
        self._reads = reads
        self._waiting = 0
        self._is_stopped = False

    @classmethod
    def from_settings(cls, settings: Settings, topics: TopicNames) -> ConsistentReader:
        """A reader of the servers that `settings` name. Connects when it is first needed."""
        offsets = KafkaOffsets(
            settings.kafka_options(),
            group=settings.worker.group,
            request_seconds=settings.reads.wait_seconds,
        )
        return cls(
            SinkProgress(offsets),
            topics,
            ClusterReplicas(settings),
            partitions=settings.topics.partitions,
            reads=settings.reads,
        )

    async def stop(self) -> None:
        """End the background tasks; whoever waits gets a 503. May be called again."""
        if not self._is_stopped:
            self._is_stopped = True
            await self._progress.close()
            await self._replicas.close()

    async def find(self, session_id: str, look_up: Callable[[], Awaitable[T | None]]) -> T:
        """The result of `look_up`, which is called once or twice and returns None for a miss.

        Raises SessionNotFound when the session certainly does not exist, BrokerUnavailable or
        SinkBehind when that cannot be established in time, and whatever `look_up` raises.
        """
        found = await look_up()
        if found is not None:
            return found
        await self._read_to_the_end(session_id, [self._topics.sessions])
        found = await look_up()
        if found is None:
            raise SessionNotFound(f"there is no session {session_id!r}")
        return found

    async def wait_for_events(self, session_id: str | None) -> None:
        """Return once the sink has every event of this session, and the session itself, that was
        acknowledged before this call: what is not found then was never posted. None: of every
        session.

        Raises BrokerUnavailable or SinkBehind as `find` does.
        """
        await self._read_to_the_end(session_id, [self._topics.sessions, self._topics.events])

    async def wait_for(self, positions: Sequence[Position]) -> Mapping[Partition, int]:
        """Return once every write that these positions stand for can be read; at once for none.
        Returns the offsets that the sink has reached for it.

        It waits for the record at each position. For an event or a mark it also waits for the
        sessions that were in the log before this call: an event is joined only with its session.
        Raises InvalidRequest for a position that no write can have returned: another topic, no such
        partition, or an offset at or beyond the end of the log (acknowledged records lie below it).
        Raises BrokerUnavailable or SinkBehind as `find` does.
        """
        if not positions:
            return {}
        self._refuse_unknown(positions)
        written = {Partition(p.topic, p.partition) for p in positions}
        of_sessions = {Partition(self._topics.sessions, p.partition) for p in positions}
        async with self._admitted() as deadline:
            await self._check_partitions(deadline)
            ends = await self._ends(written | of_sessions, deadline)
            self._refuse_beyond(positions, ends)
            targets = self._targets(positions, ends)
            await self._reached(targets, deadline)
            return targets

    async def wait_for_replicas(self) -> None:
        """Return once every replica of a cluster has every row that was acknowledged before this
        call; at once on one server. Raises SinkBehind and SinkUnavailable."""
        async with self._admitted() as deadline, self._caught_up_by(deadline):
            await self._replicas.caught_up()

    async def _read_to_the_end(self, session_id: str | None, topics: Iterable[str]) -> None:
        """Return once the sink has read these topics, in the partition of this session, or in all,
        as far as they went when this call began."""
        async with self._admitted() as deadline:
            await self._check_partitions(deadline)
            every = range(self._partitions)
            numbers = every if session_id is None else [partition_of(session_id, self._partitions)]
            read = [Partition(topic, number) for topic in topics for number in numbers]
            ends = await self._ends(read, deadline)
            await self._reached(ends, deadline)

    def _targets(
        self, positions: Iterable[Position], ends: Mapping[Partition, int]
    ) -> dict[Partition, int]:
        """The committed offset to wait for in each partition."""
        targets: Counter[Partition] = Counter()
        for position in positions:
            written = Partition(position.topic, position.partition)
            targets[written] = max(targets[written], position.offset + 1)
            if position.topic != self._topics.sessions:
                of_sessions = Partition(self._topics.sessions, position.partition)
                targets[of_sessions] = ends[of_sessions]
        return targets

    def _refuse_unknown(self, positions: Iterable[Position]) -> None:
        known = (self._topics.sessions, self._topics.events, self._topics.marks)
        wrong = [p for p in positions if p.topic not in known or p.partition >= self._partitions]
        _refuse(wrong, "names no topic and partition that writes go to")

    def _refuse_beyond(self, positions: Iterable[Position], ends: Mapping[Partition, int]) -> None:
        wrong = [p for p in positions if p.offset >= ends[Partition(p.topic, p.partition)]]
        _refuse(wrong, "lies beyond the end of the log, where no write has been")

    @asynccontextmanager
    async def _admitted(self) -> AsyncIterator[float]:
        """Count the caller as waiting. Gives the event loop's time at which the wait must end.

        Raises SinkBehind when `reads.max_waiters` requests wait already.
        """
        if self._waiting >= self._reads.max_waiters:
            raise SinkBehind(f"{self._waiting} reads are waiting for the sink already: try later")
        self._waiting += 1
        READ_WAITERS.inc()
        try:
            with READ_WAIT_SECONDS.time():
                yield asyncio.get_running_loop().time() + self._reads.wait_seconds
        finally:
            self._waiting -= 1
            READ_WAITERS.dec()

    async def _check_partitions(self, deadline: float) -> None:
        """Raise BrokerUnavailable when the settings have another number of partitions than Kafka.

        With a wrong number the wait would be for the wrong partition, and a 404 could be false.
        """
        async with _kafka_answers_by(deadline):
            live = await self._progress.partitions(self._topics.sessions)
        if live != self._partitions:
            raise BrokerUnavailable(
                f"{self._topics.sessions} has {live} partitions: CLICKSTREAM_TOPICS__PARTITIONS "
                f"must say so too, and says {self._partitions}",
            )

    async def _ends(
        self, partitions: Collection[Partition], deadline: float
    ) -> dict[Partition, int]:
        async with _kafka_answers_by(deadline):
            ends = await self._progress.ends(partitions)
        return {partition: ends[partition] for partition in partitions}

    async def _reached(self, targets: Mapping[Partition, int], deadline: float) -> None:
        async with self._caught_up_by(deadline):
            await self._progress.reached(targets)
            await self._replicas.caught_up()

    @asynccontextmanager
    async def _caught_up_by(self, deadline: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(deadline):
                yield
        except TimeoutError:
            raise SinkBehind(
                f"the sink has not caught up within {self._reads.wait_seconds:g} s: try again, "
                "and see `clickstream doctor` if it stays so"
            ) from None


@asynccontextmanager
async def _kafka_answers_by(deadline: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError:
        raise BrokerUnavailable("Kafka does not answer") from None


def _refuse(wrong: Iterable[Position], why: str) -> None:
    errors = [
        FieldError(POSITION_HEADER, f"{position} {why}: send back what a write returned")
        for position in wrong
    ]
    if errors:
        raise InvalidRequest(errors)
