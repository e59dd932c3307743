"""Offsets of a topic's partitions: where each ends, and how far a consumer group has committed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Final, Protocol, TypeVar

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

# Between two attempts while a broker changes its role: a read waits for the answer.
_RETRY_SECONDS: Final = 0.025

# What brokers answer while a leader or a coordinator moves; it passes within seconds.
_TRANSIENT_ERRORS: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        # Not a broker's answer: librdkafka has cached that a partition has no leader.
        KafkaError._NOENT,
    }
)

T = TypeVar("T")


class CommittedOffsets(Protocol):
    """How far somebody has come with the records of partitions."""

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The offset below which all records of each are done; perhaps of others, too.

        One that is not there has not begun. Ends in bounded time. Raises BrokerUnavailable or
        SinkUnavailable when there is no answer."""
        ...

    async def close(self) -> None:
        """Close connections and end threads. No other method may be called afterwards."""
        ...


class Offsets(CommittedOffsets, Protocol):
    """Offsets as Kafka has them now: every call asks the broker, nothing is cached.

    Every method ends in bounded time, and raises BrokerUnavailable when there is no answer.
    """

    async def partitions(self, topic: str) -> int:
        """How many partitions `topic` has."""
        ...

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The offset that the next record of each partition will get (the high watermark).

        Every record acknowledged before the call lies below it, also one that stands behind a
        transaction that is still open: readers of committed records do not get it yet, but it is
        acknowledged. The last stable offset would leave such a record out.
        """
        ...

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The offset up to which the sink's group has committed each; 0 before the first time.

        Records below it are in ClickHouse.
        """
        ...


class KafkaOffsets:
    """`Offsets` of a real cluster, by librdkafka."""

    def __init__(
        self, options: Mapping[str, str], *, group: str, request_seconds: float = 2.0
    ) -> None:
        """`options` are librdkafka's, `group` is the sink's consumer group.

        `request_seconds` is the timeout of each request, with the search for the broker. The first
        request connects.
        """
        # librdkafka would report on stderr what the errors raised here say.
        self._options: dict[str, str | int | float | bool] = {"log_level": 2, **options}
        self._group = group
        self._request_seconds = request_seconds
        # One thread, so that no request is under way when the consumer is closed.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="committed-offsets")

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient(self._options)

    @cached_property
    def _consumer(self) -> Consumer:
        """Fetches the group's committed offsets. It never subscribes, so it never joins the group.

        The admin client could fetch them too, but up to librdkafka 2.16 it crashes the process when
        the broker is not, or not yet, the group's coordinator: the handler of that refusal needs
        a consumer's group, and an admin client has none.
        """
        return Consumer({**self._options, "group.id": self._group, "enable.auto.commit": False})

    async def partitions(self, topic: str) -> int:
        async def ask() -> int:
            answers = self._admin.describe_topics(
                TopicCollection([topic]), request_timeout=self._request_seconds
            )
            return len((await asyncio.wrap_future(answers[topic])).partitions)

        return await self._retry_transient(ask)

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The high watermark: see `Offsets.ends`."""
        return await self._ends(partitions, IsolationLevel.READ_UNCOMMITTED)

    async def stable_ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """As far as the workers may read now: up to the first transaction that is still open."""
        return await self._ends(partitions, IsolationLevel.READ_COMMITTED)

    async def _ends(
        self, partitions: Collection[Partition], isolation_level: IsolationLevel
    ) -> Mapping[Partition, int]:
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library's gap

        async def ask() -> Mapping[Partition, int]:
            answers = self._admin.list_offsets(
                {TopicPartition(*partition): latest for partition in partitions},
                isolation_level=isolation_level,
                request_timeout=self._request_seconds,
            )
            results = await asyncio.gather(*map(asyncio.wrap_future, answers.values()))
            return {
                Partition(asked.topic, asked.partition): result.offset
                for asked, result in zip(answers, results, strict=True)
            }

        topics = sorted({partition.topic for partition in partitions})
        return await self._retry_transient(ask, lambda: self._refresh_leaders(topics))

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        asked = [TopicPartition(*partition) for partition in partitions]

        def ask_blocking() -> Mapping[Partition, int]:
            answers = self._consumer.committed(asked, timeout=self._request_seconds)
            return {Partition(a.topic, a.partition): _committed_offset(a) for a in answers}

        async def ask() -> Mapping[Partition, int]:
            return await asyncio.get_running_loop().run_in_executor(self._thread, ask_blocking)

        return await self._retry_transient(ask)

    async def members(self) -> int:
        """How many processes are in the group now."""

        async def ask() -> int:
            answers = self._admin.describe_consumer_groups(
                [self._group], request_timeout=self._request_seconds
            )
            return len((await asyncio.wrap_future(answers[self._group])).members)

        return await self._retry_transient(ask)

    async def close(self) -> None:
        def close_consumer() -> None:
            if "_consumer" in self.__dict__:
                self._consumer.close()

        await asyncio.get_running_loop().run_in_executor(self._thread, close_consumer)
        self._thread.shutdown()

    async def _refresh_leaders(self, topics: Collection[str]) -> None:
        """Make the admin client ask who leads `topics` now.

        `list_offsets` goes to the leaders, and with the leader epochs, that librdkafka has cached,
        and an error does not make it look again: after an election, or the restart of a broker, it
        would fail until `metadata.max.age.ms`, 15 minutes. Any metadata response renews the cache.
        """
        answers = self._admin.describe_topics(
            TopicCollection(list(topics)), request_timeout=self._request_seconds
        )
        await asyncio.gather(*map(asyncio.wrap_future, answers.values()), return_exceptions=True)

    async def _retry_transient(
        self,
        ask: Callable[[], Awaitable[T]],
        before_retry: Callable[[], Awaitable[None]] | None = None,
    ) -> T:
        """Repeat the request while a broker changes its role, for `request_seconds` at most."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._request_seconds
        while True:
            try:
                return await ask()
            except KafkaException as refusal:
                error = refusal.args[0]
                if not is_transient(refusal) or loop.time() > give_up:
                    raise BrokerUnavailable(
                        f"Kafka did not say how far its log is read: {error.str()}"
                    ) from refusal
            await asyncio.sleep(_RETRY_SECONDS)
            if before_retry is not None:
                await before_retry()


def is_transient(error: BaseException) -> bool:
    """Whether Kafka answers so while a leader or a coordinator moves."""
    return isinstance(error, KafkaException) and error.args[0].code() in _TRANSIENT_ERRORS


def _committed_offset(partition: TopicPartition) -> int:
    if partition.error is not None:
        raise KafkaException(partition.error)
    return 0 if partition.offset == OFFSET_INVALID else partition.offset
