"""What `Offsets` promise, in memory and on real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition

from core.consistency.consistent_reader import ConsistentReader
from core.errors import BrokerUnavailable, SessionNotFound, SinkBehind
from core.kafka.offsets import KafkaOffsets, Offsets
from core.kafka.partitioner import partition_of
from core.kafka.partitions import Partition
from schemas.topics import Topics
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
    from confluent_kafka import Consumer, Producer

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


class _AdminOfOldLeaders:
    """Refuses to list offsets until it was asked for the metadata of the topic, as librdkafka does
    after an election."""

    def __init__(self, refusal: int) -> None:
        self._refusal: int | None = refusal

    def list_offsets(
        self, asked: Mapping[TopicPartition, object], **_: object
    ) -> dict[TopicPartition, Future[SimpleNamespace]]:
        answers = {partition: Future[SimpleNamespace]() for partition in asked}
        for answer in answers.values():
            if self._refusal is None:
                answer.set_result(SimpleNamespace(offset=7))
            else:
                answer.set_exception(KafkaException(KafkaError(self._refusal)))
        return answers

    def describe_topics(self, topics: TopicCollection, **_: object) -> dict[str, Future[None]]:
        assert topics.topic_names == [TOPIC]
        self._refusal = None
        answer = Future[None]()
        answer.set_result(None)
        return {TOPIC: answer}


@pytest.mark.parametrize(
    "refusal",
    [
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError._NOENT,
    ],
)
def test_ends_ask_for_the_new_leaders_after_an_election(refusal: int) -> None:
    async def test() -> None:
        offsets = KafkaOffsets({}, group="g", request_seconds=1)
        vars(offsets)["_admin"] = _AdminOfOldLeaders(refusal)
        assert await offsets.ends([FIRST]) == {FIRST: 7}
        await offsets.close()

    run(test())


@pytest.mark.engines
def test_miss_behind_an_open_transaction_is_no_404(settings: Settings) -> None:
    """Another program's transaction is open, and a session is acknowledged behind it. Workers read
    committed records only, so they cannot store it yet."""
    from confluent_kafka import Consumer, Producer

    topics = Topics.from_settings(settings)
    id_ = "behind-a-transaction"
    partition = partition_of(id_, settings.topics.partitions)
    transaction = Producer({**settings.kafka_options(), "transactional.id": settings.worker.group})
    transaction.init_transactions(20)
    transaction.begin_transaction()
    transaction.produce(topics.sessions, b"not ours", partition=partition)
    assert transaction.flush(20) == 0
    plain = Producer({**settings.kafka_options(), "acks": "all"})
    plain.produce(topics.sessions, b"a session", partition=partition)
    assert plain.flush(20) == 0

    stored: list[str] = []

    async def look_up() -> str | None:
        return stored[0] if stored else None

    def commit(offset: int) -> None:
        consumer = Consumer({**settings.kafka_options(), "group.id": settings.worker.group})
        written = TopicPartition(topics.sessions, partition, offset)
        consumer.commit(offsets=[written], asynchronous=False)
        consumer.close()

    async def test() -> None:
        reads = settings.reads.model_copy(update={"wait_seconds": 3.0})
        reader = ConsistentReader.from_settings(
            settings.model_copy(update={"reads": reads}), topics
        )
        with pytest.raises(SinkBehind):
            await reader.find(id_, look_up)
        transaction.abort_transaction(20)
        with pytest.raises(SinkBehind):  # the workers have not read what was behind it
            await reader.find(id_, look_up)
        commit(3)  # the record of the transaction, ours, and the mark of the abort
        with pytest.raises(SessionNotFound):
            await reader.find(id_, look_up)
        stored.append(id_)
        assert await reader.find(id_, look_up) == id_
        await reader.stop()

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
