"""Following the log: from its end, within bounds, without a trace in Kafka."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any, cast

from confluent_kafka import TopicPartition

from api.events.log_follower import Followers, LogFollower
from api.events.tail_records import Wanted
from core.errors import BrokerUnavailable
from core.kafka.partitions import Partition
from core.settings import Settings, TopicSettings
from schemas.topics import Topics
from tests.api.events.test_record_decoder import Record
from tests.clock import ManualClock
from tests.schemas.memory_registry import MemoryRegistry

SETTINGS = Settings(_env_file=None, topics=TopicSettings(partitions=1))
TOPICS = Topics.from_settings(SETTINGS)
EVENTS = Partition(TOPICS.events, 0)


class Delivered(Record):
    """As it comes out of a consumer."""

    def __init__(
        self,
        offset: int,
        key: bytes = b"s",
        error: str | None = None,
        value: bytes = b"no Avro",
    ) -> None:
        super().__init__(TOPICS.events, value, key)
        self._offset = offset
        self._error = error

    def error(self) -> str | None:
        return self._error

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset


class FakeKafka:
    """A log of events, and the consumer that reads it."""

    def __init__(self, end: int = 0) -> None:
        self.end = end
        self.coming: deque[Delivered] = deque()
        self.assigned: list[list[TopicPartition]] = []
        self.is_closed = False

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return {place: self.end if place == EVENTS else 0 for place in partitions}

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned.append(partitions)

    def poll(self, seconds: float) -> Delivered | None:
        assert seconds < 1
        return self.coming.popleft() if self.coming else None

    def close(self) -> None:
        self.is_closed = True

    def position(self) -> int:
        """Where it was told last to go on with events."""
        (found,) = (each.offset for each in self.assigned[-1] if each.topic == TOPICS.events)
        return found


def follower(kafka: FakeKafka, clock: ManualClock, session_id: str | None = None) -> LogFollower:
    def new_consumer(options: dict[str, Any]) -> Any:
        assert options["enable.auto.commit"] is False
        return kafka

    return LogFollower(SETTINGS, kafka, MemoryRegistry(), clock, session_id, new_consumer)


def test_it_begins_at_the_end_and_is_closed_once() -> None:
    async def test() -> None:
        kafka = FakeKafka(end=1_041)
        one = follower(kafka, ManualClock())
        await one.start()
        assert kafka.position() == 1_041
        kafka.coming.append(Delivered(1_041))
        assert [line.session_id for line in (await one.poll()).records] == ["s"]
        assert await one.poll() == ([], 0)
        one.close()
        one.close()
        one._thread.shutdown(wait=True)
        assert kafka.is_closed

    asyncio.run(test())


def test_of_one_session_only_its_records_are_decoded_and_errors_are_passed_over() -> None:
    async def test() -> None:
        kafka = FakeKafka()
        one = follower(kafka, ManualClock(), session_id="s")
        await one.start()
        others = [Delivered(n, key=b"t") for n in range(3)]
        kafka.coming.extend([*others, Delivered(3), Delivered(0, error="all brokers are down")])
        assert len((await one.poll()).records) == 1
        one.close()

    asyncio.run(test())


def test_a_flood_is_passed_over_and_counted() -> None:
    async def test() -> None:
        kafka, clock = FakeKafka(), ManualClock()
        clock.advance(5)
        one = follower(kafka, clock)
        await one.start()
        kafka.coming.extend(Delivered(n) for n in range(50_000))
        kafka.end = 50_000
        read, polls = await read_all_that_may_be_read(one, kafka)
        assert 10_000 < read < 15_000
        assert polls > 20  # a stream holds little of it at a time
        kafka.coming.clear()  # as a real one forgets what it has fetched
        clock.advance(1)
        assert (await one.poll()).passed_over == 50_000 - read
        assert kafka.position() == 50_000
        kafka.coming.append(Delivered(50_000))
        assert len((await one.poll()).records) == 1
        one.close()

    asyncio.run(test())


async def read_all_that_may_be_read(one: LogFollower, kafka: FakeKafka) -> tuple[int, int]:
    """Records and polls of a second in which more comes than may be read."""
    read = polls = 0
    while one._read < one._most_bytes():
        found = await one.poll()
        assert found.passed_over == 0
        assert kafka.coming, "all of it was read"
        read += len(found.records)
        polls += 1
    return read, polls


def test_of_large_records_few_are_held_at_a_time_and_read_in_a_second() -> None:
    async def test() -> None:
        kafka, clock = FakeKafka(), ManualClock()
        clock.advance(5)
        one = follower(kafka, clock)
        await one.start()
        kafka.coming.extend(Delivered(n, value=bytes(600_000)) for n in range(50))
        assert len((await one.poll()).records) == 1
        assert await read_all_that_may_be_read(one, kafka) == (3, 3)
        one.close()

    asyncio.run(test())


def test_streams_that_are_open_share_what_may_be_read() -> None:
    followers = Followers(SETTINGS, ManualClock())
    many = [cast("LogFollower", followers.new(Wanted())) for _ in range(4)]
    alone = 4 * many[0]._most_bytes()
    for one in many[1:]:
        one.close()
    assert many[0]._most_bytes() == alone
    many[0].close()
    asyncio.run(followers.close())


def test_kafka_that_is_away_is_silence() -> None:
    class Away(FakeKafka):
        is_away = False

        async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
            if self.is_away:
                raise BrokerUnavailable("Kafka does not answer")
            return await super().ends(partitions)

    async def test() -> None:
        kafka, clock = Away(), ManualClock()
        one = follower(kafka, clock)
        await one.start()
        kafka.coming.extend(Delivered(n) for n in range(50_000))
        read, _ = await read_all_that_may_be_read(one, kafka)
        clock.advance(1)
        kafka.is_away = True
        assert await one.poll() == await one.poll() == ([], 0)
        kafka.is_away, kafka.end = False, 60_000
        assert (await one.poll()).passed_over == 60_000 - read
        one.close()

    asyncio.run(test())
