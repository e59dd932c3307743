"""One contract suite for every `Publisher`: in memory, and on a real cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from core.consistency.position import Position
from core.errors import BrokerUnavailable
from core.kafka.partitioner import partition_of
from core.settings import Settings
from producers.kafka_publisher import KafkaPublisher
from producers.publisher import Publisher
from schemas.codec import Decoder
from schemas.contracts import EVENT, MARK, SESSION, Contract
from schemas.registry import ConfluentRegistry
from schemas.topics import Topics
from tests.producers.memory_publisher import MemoryPublisher

Act = Callable[[Publisher], Awaitable[None]]


def event(event_id: str, session_id: str = "s-1", **fields: Any) -> dict[str, Any]:
    return {
        **{"session_id": session_id, "event_id": event_id, "object_id": "o", "event_type": "click"},
        **{"created_at": 1, "meta": None, "received_at": 2},
        **fields,
    }


class Memory:
    """The publisher in memory, and what is in its log."""

    settings = Settings(_env_file=None)

    def __init__(self) -> None:
        self.publisher = MemoryPublisher(Topics.from_settings(self.settings))

    def read(self, position: Position) -> dict[str, Any]:
        (found,) = (entry for entry in self.publisher.log if entry.position == position)
        return dict(found.record)


class Kafka:
    """The publisher on real engines, and what a consumer finds."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.publisher = KafkaPublisher.from_settings(settings)

    def read(self, position: Position) -> dict[str, Any]:
        consumer = Consumer(self.settings.kafka_options() | {"group.id": "reads-back"})
        try:
            consumer.assign([TopicPartition(position.topic, position.partition, position.offset)])
            message = consumer.poll(30)
        finally:
            consumer.close()
        assert message is not None
        assert message.error() is None
        value = message.value()
        assert value is not None
        with ConfluentRegistry.from_settings(self.settings) as registry:
            return Decoder(EVENT, registry).decode(value)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.engines)])
def place(request: pytest.FixtureRequest) -> Memory | Kafka:
    if request.param == "memory":
        return Memory()
    return Kafka(request.getfixturevalue("module_settings"))


def during(publisher: Publisher, act: Act) -> None:
    """Run `act` between start and stop."""

    async def run() -> None:
        await publisher.start()
        try:
            async with asyncio.timeout(60):
                await act(publisher)
        finally:
            await publisher.stop()

    asyncio.run(run())


def test_a_record_is_found_at_the_place_that_was_returned(place: Memory | Kafka) -> None:
    places: list[Position] = []

    async def act(publisher: Publisher) -> None:
        places.append(await publisher.publish(EVENT, "s-1", [event("e-1", meta='{"a":1.0}')]))

    during(place.publisher, act)
    assert place.read(places[0]) == event("e-1", meta='{"a":1.0}')


@pytest.mark.parametrize("contract", [SESSION, EVENT, MARK], ids=lambda c: c.name)
@pytest.mark.parametrize("key", ["s-1", "é𝒳", "a\x00b", "x" * 512])
def test_the_key_decides_on_the_partition(
    place: Memory | Kafka, contract: Contract, key: str
) -> None:
    records = {
        SESSION.name: {"session_id": key, "search_query": "", "search_results": []},
        EVENT.name: event("e-1", key),
        MARK.name: {"session_id": key, "is_irrelevant": True},
    }
    record = {"created_at": 1, "received_at": 1, **records[contract.name]}

    async def act(publisher: Publisher) -> None:
        position = await publisher.publish(contract, key, [record])
        assert position.topic == Topics.from_settings(place.settings).topic_of(contract)
        assert position.partition == partition_of(key, place.settings.topics.partitions)

    during(place.publisher, act)


def test_records_of_one_call_follow_each_other_and_the_last_place_is_returned(
    place: Memory | Kafka,
) -> None:
    places: list[Position] = []

    async def act(publisher: Publisher) -> None:
        places.append(await publisher.publish(EVENT, "s-2", [event("first", "s-2")]))
        many = [event(f"e-{n}", "s-2") for n in range(1_000)]
        places.append(await publisher.publish(EVENT, "s-2", many))

    during(place.publisher, act)
    assert places[1].offset == places[0].offset + 1_000
    assert place.read(places[1])["event_id"] == "e-999"


def test_calls_at_the_same_time_get_places_of_their_own(place: Memory | Kafka) -> None:
    async def act(publisher: Publisher) -> None:
        ids = [f"s-{n}" for n in range(200)]
        places = await asyncio.gather(
            *(publisher.publish(EVENT, each, [event("e", each)]) for each in ids)
        )
        assert len(set(places)) == len(ids)

    during(place.publisher, act)


def test_a_record_that_breaks_its_schema_keeps_the_whole_call_from_being_written(
    place: Memory | Kafka,
) -> None:
    async def act(publisher: Publisher) -> None:
        before = await publisher.publish(EVENT, "s-3", [event("e-0", "s-3")])
        with pytest.raises((ValueError, TypeError)):
            await publisher.publish(EVENT, "s-3", [event("e-1", "s-3"), {"session_id": "s-3"}])
        after = await publisher.publish(EVENT, "s-3", [event("e-2", "s-3")])
        assert after.offset == before.offset + 1

    during(place.publisher, act)


def test_a_publisher_that_works_is_ready(place: Memory | Kafka) -> None:
    async def act(publisher: Publisher) -> None:
        await publisher.publish(EVENT, "s-1", [event("e-1")])
        assert not await publisher.ready()

    during(place.publisher, act)


def test_stopping_needs_no_start(place: Memory | Kafka) -> None:
    asyncio.run(place.publisher.stop())


def test_the_one_in_memory_fails_on_demand() -> None:
    publisher = Memory().publisher
    publisher.failing = BrokerUnavailable("down")

    async def act(publisher: Publisher) -> None:
        with pytest.raises(BrokerUnavailable):
            await publisher.publish(EVENT, "s-1", [event("e-1")])
        assert await publisher.ready() == ["down"]

    during(publisher, act)
    assert not publisher.log
