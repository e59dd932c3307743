from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import nullcontext
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from core.consistency.position import Position
from core.errors import BrokerUnavailable, SetupError
from core.kafka.partitions import Partition
from core.settings import HttpSettings, Settings
from producers.async_producer import MakeProducer
from producers.encoders import Encoders
from producers.kafka_publisher import WRITTEN, KafkaPublisher, producer_options
from schemas.contracts import EVENT
from schemas.topics import Topics
from tests.core.kafka.memory_offsets import MemoryOffsets
from tests.producers.fake_producer import FATAL, FakeProducer
from tests.producers.test_publisher import event
from tests.schemas.memory_registry import MemoryRegistry

SETTINGS = Settings(_env_file=None)
TOPICS = Topics.from_settings(SETTINGS)


def publisher_with(make: Callable[[dict[str, Any]], Any], offsets: MemoryOffsets) -> KafkaPublisher:
    maker: MakeProducer = make
    encoders = Encoders(lambda: nullcontext(MemoryRegistry()), TOPICS, WRITTEN)
    return KafkaPublisher(TOPICS, encoders, producer_options(SETTINGS), offsets, maker, 0.0)


def during(
    act: Callable[[KafkaPublisher, list[FakeProducer]], Awaitable[None]],
    offsets: MemoryOffsets | None = None,
) -> None:
    """Run `act` on a started publisher and the list of the producers that it made."""
    made: list[FakeProducer] = []

    def make(options: dict[str, Any]) -> FakeProducer:
        made.append(FakeProducer(options))
        return made[-1]

    async def run() -> None:
        publisher = publisher_with(make, offsets or MemoryOffsets({TOPICS.events: 8}))
        await publisher.start()
        try:
            async with asyncio.timeout(30):
                await act(publisher, made)
        finally:
            await publisher.stop()

    asyncio.run(run())


async def publishing(publisher: KafkaPublisher) -> asyncio.Task[Position]:
    task = asyncio.create_task(publisher.publish(EVENT, "s-1", [event("e-1")]))
    await asyncio.sleep(0.01)  # several ticks
    return task


def test_a_fatal_error_is_followed_by_a_new_producer() -> None:
    async def act(publisher: KafkaPublisher, made: list[FakeProducer]) -> None:
        held, failed = await publishing(publisher), await publishing(publisher)
        made[0].fail(FATAL)
        for task in (held, failed):  # the one that the dead producer held is given up, not lost
            with pytest.raises(BrokerUnavailable):
                await task
        while len(made) == 1:
            with pytest.raises(BrokerUnavailable):
                await publisher.publish(EVENT, "s-1", [event("e-1")])
            await asyncio.sleep(0)
        task = await publishing(publisher)
        made[1].acknowledge(3, 9)
        assert await task == Position(TOPICS.events, 3, 9)

    during(act)


@pytest.mark.parametrize("fault", [KafkaException(FATAL), RuntimeError("no thread"), OSError()])
def test_a_new_producer_is_tried_for_until_there_is_one(fault: Exception) -> None:
    made: list[FakeProducer] = []
    asked = 0

    def make(options: dict[str, Any]) -> FakeProducer:
        nonlocal asked
        asked += 1
        if asked in (2, 3):
            raise fault
        made.append(FakeProducer(options))
        return made[-1]

    async def run() -> None:
        publisher = publisher_with(make, MemoryOffsets({TOPICS.events: 8}))
        await publisher.start()
        async with asyncio.timeout(30):
            task = await publishing(publisher)
            made[0].fail(FATAL)
            with pytest.raises(BrokerUnavailable):
                await task
            said = ""
            while len(made) < 2:
                said += "".join(await publisher.ready())
                await asyncio.sleep(0)
            assert "no new Kafka producer can be made" in said
            task = await publishing(publisher)
            made[1].acknowledge(3, 9)
            assert (await task).offset == 9
        await publisher.stop()

    asyncio.run(run())


def test_stopping_delivers_what_is_under_way_also_when_something_else_fails() -> None:
    async def run() -> None:
        made: list[FakeProducer] = []

        def make(options: dict[str, Any]) -> FakeProducer:
            made.append(FakeProducer(options))
            return made[-1]

        publisher = publisher_with(make, MemoryOffsets({TOPICS.events: 8}))
        await publisher.start()

        async def fail() -> None:
            raise RuntimeError("odd")

        publisher._encoders.stop = fail  # type: ignore[method-assign]  # nothing is known to raise
        task = await publishing(publisher)
        stopping = asyncio.create_task(publisher.stop())
        await asyncio.sleep(0.01)
        made[0].acknowledge(3, 9)
        assert (await task).offset == 9
        with pytest.raises(RuntimeError):
            await stopping

    asyncio.run(run())


def test_requests_without_an_offset_share_one_question() -> None:
    asked = 0

    class Counting(MemoryOffsets):
        async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
            nonlocal asked
            asked += 1
            await asyncio.sleep(0.01)
            return await super().ends(partitions)

    offsets = Counting({TOPICS.events: 8})
    offsets.append(TOPICS.events, 3)

    async def act(publisher: KafkaPublisher, made: list[FakeProducer]) -> None:
        tasks = [await publishing(publisher) for _ in range(20)]
        made[0].acknowledge(3, *[None] * 20)
        assert {await task for task in tasks} == {Position(TOPICS.events, 3, 0)}
        assert asked <= 2

    during(act, offsets)


def test_an_unknown_place_is_taken_for_the_end_of_its_partition() -> None:
    offsets = MemoryOffsets({TOPICS.events: 8})
    for _ in range(5):
        offsets.append(TOPICS.events, 3)

    async def act(publisher: KafkaPublisher, made: list[FakeProducer]) -> None:
        task = await publishing(publisher)
        made[0].acknowledge(3, None)
        assert await task == Position(TOPICS.events, 3, 4)

    during(act, offsets)


def test_nothing_is_published_before_the_start_or_after_the_end() -> None:
    async def run() -> None:
        publisher = publisher_with(FakeProducer, MemoryOffsets({}))
        with pytest.raises(BrokerUnavailable):
            await publisher._send(TOPICS.events, b"s-1", [b""])
        await publisher.start()
        await publisher.stop()
        with pytest.raises(BrokerUnavailable):
            await publisher.publish(EVENT, "s-1", [event("e-1")])

    asyncio.run(run())


def test_an_option_that_the_client_refuses_is_the_operator_s_to_mend() -> None:
    def refuse(_: dict[str, Any]) -> FakeProducer:
        raise KafkaException(KafkaError(KafkaError._INVALID_ARG, "no such property"))

    async def run() -> None:
        await publisher_with(refuse, MemoryOffsets({})).start()

    with pytest.raises(SetupError, match="no such property"):
        asyncio.run(run())


def test_settings_reach_the_client_but_cannot_break_its_promises() -> None:
    passed = {
        "linger_ms": "7",
        "security_protocol": "SASL_SSL",
        "acks": "0",
        "partitioner": "random",
    }
    options = producer_options(Settings(_env_file=None, kafka=passed))
    assert options["linger.ms"] == "7"
    assert options["security.protocol"] == "SASL_SSL"
    assert options["acks"] == "all"
    assert options["enable.idempotence"] == "true"
    assert options["partitioner"] == "murmur2_random"


@pytest.mark.parametrize(("ack_timeout", "overdue"), [(5.0, 4_000), (30.0, 29_000), (2.0, 1_000)])
def test_records_are_given_up_a_second_before_the_timeout(ack_timeout: float, overdue: int) -> None:
    http = HttpSettings(ack_timeout_seconds=ack_timeout)
    options = producer_options(Settings(_env_file=None, http=http))
    assert options["message.timeout.ms"] == str(overdue)


def test_a_broker_that_is_not_there_is_a_bounded_failure() -> None:
    http = HttpSettings(ack_timeout_seconds=2)
    settings = Settings(_env_file=None, kafka_bootstrap_servers="127.0.0.1:1", http=http)
    encoders = Encoders(lambda: nullcontext(MemoryRegistry()), TOPICS, WRITTEN)

    async def run() -> None:
        publisher = KafkaPublisher(TOPICS, encoders, producer_options(settings), MemoryOffsets({}))
        await publisher.start()
        async with asyncio.timeout(60):
            with pytest.raises(BrokerUnavailable, match="may be stored or not"):
                await publisher.publish(EVENT, "s-1", [event("e-1")])
            (reason,) = await publisher.ready()
        assert "Kafka does not answer" in reason
        await publisher.stop()

    asyncio.run(run())
