"""Fetches and waits that are shared, and the offsets behind them: in memory and on real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from core.consistency.sink_progress import KafkaOffsets, MemoryOffsets, Offsets, SinkProgress
from core.errors import BrokerUnavailable
from core.kafka.partitions import Partition

if TYPE_CHECKING:
    from core.settings import Settings

TOPIC = "sessions"
FIRST = Partition(TOPIC, 0)
SECOND = Partition(TOPIC, 1)


class GatedOffsets:
    """Answers when the test opens the gate, with what was true when the fetch began."""

    def __init__(self) -> None:
        self.log = MemoryOffsets({TOPIC: 2})
        self.began = asyncio.Semaphore(0)
        self.gate = asyncio.Semaphore(0)
        self.asked: list[set[Partition]] = []
        self.refusal: Exception | None = None

    async def partitions(self, topic: str) -> int:
        return await self.log.partitions(topic)

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return await self._pass(partitions, await self.log.ends(partitions))

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return await self._pass(partitions, await self.log.committed(partitions))

    async def close(self) -> None:
        self.asked.append(set())

    async def _pass(
        self, partitions: Collection[Partition], answer: Mapping[Partition, int]
    ) -> Mapping[Partition, int]:
        self.asked.append(set(partitions))
        self.began.release()
        await self.gate.acquire()
        if self.refusal is not None:
            raise self.refusal
        return answer


async def turns(count: int = 5) -> None:
    """Let every other task go as far as it can."""
    for _ in range(count):
        await asyncio.sleep(0)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


def test_call_during_a_fetch_waits_for_the_next_one() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        watermark = SinkProgress(offsets)
        early = asyncio.create_task(watermark.ends([FIRST]))
        await offsets.began.acquire()
        offsets.log.append(TOPIC, 0)
        late = asyncio.create_task(watermark.ends([FIRST]))
        await turns()
        offsets.gate.release()
        assert (await early)[FIRST] == 0
        await turns()
        assert not late.done()
        offsets.gate.release()
        assert (await late)[FIRST] == 1

    run(test())


def test_calls_of_one_moment_share_one_fetch() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        watermark = SinkProgress(offsets)
        calls = [asyncio.create_task(watermark.ends([p])) for p in (FIRST, SECOND, FIRST)]
        await offsets.began.acquire()
        offsets.gate.release()
        await asyncio.gather(*calls)
        assert offsets.asked == [{FIRST, SECOND}]

    run(test())


def test_caller_that_gives_up_does_not_take_the_answer_from_others() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        watermark = SinkProgress(offsets)
        impatient, patient = (asyncio.create_task(watermark.ends([FIRST])) for _ in range(2))
        await offsets.began.acquire()
        impatient.cancel()
        offsets.gate.release()
        assert (await patient)[FIRST] == 0

    run(test())


def test_failed_fetch_reaches_its_callers_and_the_next_one_works() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        watermark = SinkProgress(offsets)
        offsets.refusal = BrokerUnavailable("no broker")
        offsets.gate.release()
        with pytest.raises(BrokerUnavailable, match="no broker"):
            await watermark.ends([FIRST])
        offsets.refusal = None
        offsets.gate.release()
        assert await watermark.ends([FIRST]) == {FIRST: 0}

    run(test())


def test_wait_ends_once_every_target_is_committed() -> None:
    async def test() -> None:
        log = MemoryOffsets({TOPIC: 2})
        watermark = SinkProgress(log, poll_seconds=0)
        wait = asyncio.create_task(watermark.reached({FIRST: 2, SECOND: 1}))
        log.commit(TOPIC, 0, 2)
        await turns()
        log.commit(TOPIC, 1, 0)
        await turns()
        assert not wait.done()
        log.commit(TOPIC, 1, 1)
        await wait

    run(test())


def test_nothing_is_asked_while_nobody_waits() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        watermark = SinkProgress(offsets, poll_seconds=0)
        wait = asyncio.create_task(watermark.reached({FIRST: 1}))
        await offsets.began.acquire()
        wait.cancel()
        await turns()
        offsets.gate.release()
        await turns(20)
        assert offsets.asked == [{FIRST}]
        again = asyncio.create_task(watermark.reached({SECOND: 0}))
        offsets.gate.release()
        await again
        assert offsets.asked == [{FIRST}, {SECOND}]

    run(test())


def test_one_that_begins_to_wait_during_a_poll_is_served_by_the_next() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        watermark = SinkProgress(offsets, poll_seconds=0)
        stuck = asyncio.create_task(watermark.reached({FIRST: 1}))
        await offsets.began.acquire()
        joined = asyncio.create_task(watermark.reached({SECOND: 0}))
        await turns()
        offsets.gate.release()
        await offsets.began.acquire()
        assert not joined.done()
        offsets.gate.release()
        await joined
        stuck.cancel()

    run(test())


def test_broker_that_fails_during_a_wait_ends_it() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        watermark = SinkProgress(offsets, poll_seconds=0)
        offsets.refusal = BrokerUnavailable("no broker")
        offsets.gate.release()
        with pytest.raises(BrokerUnavailable, match="no broker"):
            await watermark.reached({FIRST: 1})

    run(test())


def test_close_ends_all_waits_with_a_reason_to_retry() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        watermark = SinkProgress(offsets)
        waits = [
            asyncio.create_task(watermark.ends([FIRST])),
            asyncio.create_task(watermark.reached({FIRST: 1})),
        ]
        await offsets.began.acquire()
        waits.append(asyncio.create_task(watermark.ends([SECOND])))
        await turns()
        await watermark.close()
        for outcome in await asyncio.gather(*waits, return_exceptions=True):
            assert isinstance(outcome, BrokerUnavailable)

    run(test())


@dataclass(frozen=True)
class Cluster:
    """One implementation, and the hands of the producer and the sink."""

    make: Callable[[], Offsets]
    append: Callable[[int], None]
    commit: Callable[[int, int], None]
    topic: str
    partitions: int


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.engines)])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    if request.param == "memory":
        log = MemoryOffsets({TOPIC: 3})
        yield Cluster(
            lambda: log,
            lambda partition: (log.append(TOPIC, partition), None)[1],
            lambda partition, offset: log.commit(TOPIC, partition, offset),
            TOPIC,
            3,
        )
    else:
        yield _kafka(request.getfixturevalue("settings"))


def _kafka(settings: Settings) -> Cluster:
    from confluent_kafka import Consumer, Producer, TopicPartition

    topic = settings.topics.prefix + "sessions"
    group = settings.worker.group

    def append(partition: int) -> None:
        producer = Producer({**settings.kafka_options(), "acks": "all"})
        producer.produce(topic, b"x", partition=partition)
        assert producer.flush(20) == 0

    def commit(partition: int, offset: int) -> None:
        consumer = Consumer({**settings.kafka_options(), "group.id": group})
        consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)
        consumer.close()

    return Cluster(
        lambda: KafkaOffsets(settings.kafka_options(), group=group, request_seconds=20),
        append,
        commit,
        topic,
        settings.topics.partitions,
    )


def test_contract_end_is_after_every_acknowledged_record(cluster: Cluster) -> None:
    async def test() -> None:
        offsets = cluster.make()
        places = [Partition(cluster.topic, 0), Partition(cluster.topic, 2)]
        assert await offsets.ends(places) == {places[0]: 0, places[1]: 0}
        for appended in (1, 2):
            cluster.append(2)
            assert await offsets.ends(places) == {places[0]: 0, places[1]: appended}
        await offsets.close()

    run(test())


def test_contract_committed_is_zero_before_the_first_commit(cluster: Cluster) -> None:
    async def test() -> None:
        offsets = cluster.make()
        places = [Partition(cluster.topic, 0), Partition(cluster.topic, 1)]
        assert await offsets.committed(places) == {places[0]: 0, places[1]: 0}
        cluster.append(1)
        cluster.commit(1, 1)
        assert await offsets.committed(places) == {places[0]: 0, places[1]: 1}
        await offsets.close()

    run(test())


def test_contract_partitions_are_those_of_the_topic(cluster: Cluster) -> None:
    async def test() -> None:
        offsets = cluster.make()
        assert await offsets.partitions(cluster.topic) == cluster.partitions
        with pytest.raises(BrokerUnavailable):
            await offsets.partitions(cluster.topic + "-that-is-not-there")
        await offsets.close()

    run(test())


def test_broker_that_does_not_answer_is_unavailable_in_bounded_time() -> None:
    async def test() -> None:
        # Port 1 of loopback: nothing listens there, and nothing may without being root.
        options = {"bootstrap.servers": "127.0.0.1:1"}
        offsets = KafkaOffsets(options, group="g", request_seconds=0.2)
        for question in (
            offsets.partitions(TOPIC),
            offsets.ends([FIRST]),
            offsets.committed([FIRST]),
        ):
            with pytest.raises(BrokerUnavailable):
                await question
        await offsets.close()

    run(test())
