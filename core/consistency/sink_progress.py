"""How far the log reaches, and how far the sink has read it.

`Offsets` asks Kafka (or a fake in memory); `SinkProgress` makes one process's many questions few:
callers that ask for an end at the same time share one fetch, and all that wait for the sink share
one poller, which runs only while somebody waits.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Protocol, TypeVar

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public by its documentation

from core.errors import BrokerUnavailable
from core.kafka.partitions import Partition

# A commit comes every flush (some 300 ms); asking every 25 ms adds little to the wait, and costs
# the broker 40 small requests a second per process, while somebody waits.
POLL_SECONDS = 0.025

# What brokers answer while a leader or a coordinator moves; it passes within seconds.
_PASSING = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
    }
)

_CLOSING = "this process is shutting down: ask another one"

T = TypeVar("T")


class Offsets(Protocol):
    """What Kafka knows of offsets. Every method asks anew and is bounded in time.

    All raise BrokerUnavailable when the answer cannot be had; none answers from a cache.
    """

    async def partitions(self, topic: str) -> int:
        """How many partitions `topic` has."""
        ...

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The offset that the next record of each partition will get.

        Every record acknowledged before the call lies below it.
        """
        ...

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The offset up to which the sink's group has committed each; 0 before the first time.

        Records below it are in ClickHouse.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and threads. Nothing may be asked afterwards."""
        ...


class SinkProgress:
    """Shares the answers of an `Offsets` among all callers of one event loop.

    Waits have no limit of their own: the caller bounds them (`asyncio.timeout`), and a cancelled
    wait leaves nothing behind.
    """

    def __init__(self, offsets: Offsets, poll_seconds: float = POLL_SECONDS) -> None:
        self._offsets = offsets
        self._poll_seconds = poll_seconds
        self._counts: dict[str, int] = {}
        self._next: _SharedFetch | None = None
        self._fetcher: asyncio.Task[None] | None = None
        self._waiters: dict[asyncio.Future[None], Mapping[Partition, int]] = {}
        self._poller: asyncio.Task[None] | None = None

    async def partitions(self, topic: str) -> int:
        """How many partitions `topic` has; asked once, as the count is never changed in place."""
        if topic not in self._counts:
            self._counts[topic] = await self._offsets.partitions(topic)
        return self._counts[topic]

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The ends of `partitions` (perhaps of others too) by a fetch that begins after this call.

        Calls made while a fetch is under way share the next one, never that one: it may have
        passed the broker before their request was made. Raises BrokerUnavailable.
        """
        mine = self._next = self._next or _SharedFetch()
        mine.partitions.update(partitions)
        if self._fetcher is None or self._fetcher.done():
            self._fetcher = asyncio.create_task(self._fetch_ends())
        # Shielded, because the fetch belongs to others too when this caller gives up.
        return await asyncio.shield(mine.answer)

    async def reached(self, targets: Mapping[Partition, int]) -> None:
        """Return once the sink has committed every target offset. Raises BrokerUnavailable."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = targets
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll_committed())
        try:
            await waiter
        finally:
            del self._waiters[waiter]

    async def close(self) -> None:
        """Stop the background tasks; whoever still waits gets BrokerUnavailable."""
        tasks = [task for task in (self._fetcher, self._poller) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        unanswered = [] if self._next is None else [self._next.answer]
        _fail([*unanswered, *self._waiters], BrokerUnavailable(_CLOSING))
        self._next = None
        await self._offsets.close()

    async def _fetch_ends(self) -> None:
        while self._next is not None:
            asked, self._next = self._next, None
            with _errors_go_to([asked.answer]):
                asked.answer.set_result(await self._offsets.ends(asked.partitions))

    async def _poll_committed(self) -> None:
        while self._waiters:
            with _errors_go_to(self._waiters):
                wanted = {place for targets in self._waiters.values() for place in targets}
                committed = await self._offsets.committed(wanted)
                for waiter, targets in self._waiters.items():
                    # Some began to wait during the fetch: their partitions may not be in it.
                    if all(committed.get(place, -1) >= targets[place] for place in targets):
                        _succeed(waiter)
            await asyncio.sleep(self._poll_seconds)


class _SharedFetch:
    """The questions that one fetch will answer."""

    def __init__(self) -> None:
        self.partitions: set[Partition] = set()
        self.answer: asyncio.Future[Mapping[Partition, int]] = (
            asyncio.get_running_loop().create_future()
        )


@contextmanager
def _errors_go_to(futures: Collection[asyncio.Future[Any]]) -> Iterator[None]:
    """Hand what goes wrong to those who wait for it, so that the background task can go on."""
    try:
        yield
    except asyncio.CancelledError:
        _fail(futures, BrokerUnavailable(_CLOSING))
        raise
    except Exception as error:
        _fail(futures, error)


def _fail(futures: Collection[asyncio.Future[Any]], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)


def _succeed(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class KafkaOffsets:
    """`Offsets` of a real cluster, by librdkafka."""

    def __init__(
        self, options: Mapping[str, str], *, group: str, request_seconds: float = 2.0
    ) -> None:
        """`options` are librdkafka's, `group` is the sink's consumer group.

        `request_seconds` bounds each question, the search for the broker included. Connects when
        it is first asked.
        """
        # Its own reports would repeat on stderr what the errors raised here say.
        self._options: dict[str, str | int | float | bool] = {"log_level": 2, **options}
        self._group = group
        self._request_seconds = request_seconds
        # One thread, so that no question is under way when the consumer is closed.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="committed-offsets")

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient(self._options)

    @cached_property
    def _consumer(self) -> Consumer:
        """Asks for the group's offsets; it never subscribes, so it never joins the group.

        The admin client has a call for this too. Up to librdkafka 2.16 it crashes the process when
        the broker asked is not, or not yet, the group's coordinator: the handler of that refusal
        wants a consumer's group, and an admin client has none.
        """
        return Consumer({**self._options, "group.id": self._group, "enable.auto.commit": False})

    async def partitions(self, topic: str) -> int:
        async def ask() -> int:
            answers = self._admin.describe_topics(
                TopicCollection([topic]), request_timeout=self._request_seconds
            )
            return len((await asyncio.wrap_future(answers[topic])).partitions)

        return await self._answered(ask)

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library's gap

        async def ask() -> Mapping[Partition, int]:
            answers = self._admin.list_offsets(
                {TopicPartition(*place): latest for place in partitions},
                # As far as acknowledged records go, whether or not a transaction is open.
                isolation_level=IsolationLevel.READ_UNCOMMITTED,
                request_timeout=self._request_seconds,
            )
            results = await asyncio.gather(*map(asyncio.wrap_future, answers.values()))
            return {
                Partition(place.topic, place.partition): result.offset
                for place, result in zip(answers, results, strict=True)
            }

        return await self._answered(ask)

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        places = [TopicPartition(*place) for place in partitions]

        def ask_blocking() -> Mapping[Partition, int]:
            answers = self._consumer.committed(places, timeout=self._request_seconds)
            return {Partition(a.topic, a.partition): _committed_offset(a) for a in answers}

        async def ask() -> Mapping[Partition, int]:
            return await asyncio.get_running_loop().run_in_executor(self._thread, ask_blocking)

        return await self._answered(ask)

    async def close(self) -> None:
        def close_consumer() -> None:
            if "_consumer" in self.__dict__:
                self._consumer.close()

        await asyncio.get_running_loop().run_in_executor(self._thread, close_consumer)
        self._thread.shutdown()

    async def _answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again while a broker changes its role, as long as one question may take."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._request_seconds
        while True:
            try:
                return await ask()
            except KafkaException as refusal:
                error: KafkaError = refusal.args[0]
                if error.code() not in _PASSING or loop.time() > give_up:
                    raise BrokerUnavailable(
                        f"Kafka did not say how far its log is read: {error.str()}"
                    ) from refusal
            await asyncio.sleep(POLL_SECONDS)


def _committed_offset(partition: TopicPartition) -> int:
    if partition.error is not None:
        raise KafkaException(partition.error)
    return 0 if partition.offset == OFFSET_INVALID else partition.offset


class MemoryOffsets:
    """`Offsets` without a broker, for tests: a log that only counts, and a sink's commits."""

    def __init__(self, topics: Mapping[str, int]) -> None:
        """`topics` maps each topic to its number of partitions."""
        self._partitions = dict(topics)
        self._ends: Counter[Partition] = Counter()
        self._committed: Counter[Partition] = Counter()

    def append(self, topic: str, partition: int) -> int:
        """Write one record; its offset."""
        place = Partition(topic, partition)
        self._ends[place] += 1
        return self._ends[place] - 1

    def commit(self, topic: str, partition: int, offset: int) -> None:
        """The sink has written everything below `offset`."""
        self._committed[Partition(topic, partition)] = offset

    def commit_all(self) -> None:
        """The sink has written everything."""
        self._committed = self._ends.copy()

    async def partitions(self, topic: str) -> int:
        if topic not in self._partitions:
            raise BrokerUnavailable(f"there is no topic {topic}: run `clickstream topics`")
        return self._partitions[topic]

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return {partition: self._ends[partition] for partition in partitions}

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return {partition: self._committed[partition] for partition in partitions}
