"""What `Offsets` promise, in memory and on real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from core.errors import BrokerUnavailable
from core.kafka.offsets import KafkaOffsets, Offsets
from core.kafka.partitions import Partition
from tests.core.kafka.memory_offsets import MemoryOffsets

if TYPE_CHECKING:
    from core.settings import Settings

TOPIC = "sessions"
FIRST = Partition(TOPIC, 0)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


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
