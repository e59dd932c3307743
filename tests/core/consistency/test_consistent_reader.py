"""A 404 is certain, a token is waited for, and all doubt is a 503."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clickhouse.replicas import Replicas
from core.consistency.consistent_reader import ConsistentReader
from core.consistency.position import Position
from core.consistency.sink_progress import SinkProgress
from core.errors import (
    BrokerUnavailable,
    ClickstreamError,
    InvalidRequest,
    SessionNotFound,
    SinkBehind,
    SinkUnavailable,
)
from core.kafka.partitioner import partition_of
from core.kafka.partitions import Partition
from core.settings import ReadSettings, TopicSettings
from schemas.topics import Topics
from tests.core.kafka.memory_offsets import MemoryOffsets

T = TypeVar("T")

TOPICS = Topics("t.sessions", "t.events", "t.marks", "t.dead-letters", "t.erasures")
PARTITIONS = 2


class Pipeline:
    """A log and a sink that take a step whenever they are looked at.

    `script` says which: `p` a session is produced, `w` the sink writes one more record to the
    table, `c` it commits what it has written, `.` nothing. It goes round for ever, and once a round
    the sink comes on. `delays` say how many turns of the event loop each answer travels.
    """

    def __init__(self, script: Sequence[str], delays: Sequence[int] = ()) -> None:
        self._script = itertools.cycle([*script, "w", "c"])
        self._delays = list(delays)
        self.produced: list[str] = []
        self.written = 0
        self.committed_offset = 0

    def step(self) -> None:
        self.take(next(self._script))

    def take(self, step: str) -> None:
        match step:
            case "p":
                self.produced.append(f"other-{len(self.produced)}")
            case "w":
                self.written = min(self.written + 1, len(self.produced))
            case "c":
                self.committed_offset = self.written

    async def _travel(self) -> None:
        """An answer is on its way, and the world goes on."""
        self.step()
        await turns(self._delays.pop(0) if self._delays else 1)

    async def partitions(self, topic: str) -> int:  # noqa: ARG002  (the protocol asks)
        self.step()
        return 1

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        self.step()
        answer = dict.fromkeys(partitions, len(self.produced))
        await self._travel()
        return answer

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        self.step()
        answer = dict.fromkeys(partitions, self.committed_offset)
        await self._travel()
        return answer

    async def close(self) -> None:
        """There is nothing to let go of."""

    def look_for(self, session_id: str) -> Callable[[], Awaitable[str | None]]:
        async def look() -> str | None:
            self.step()
            found = session_id in self.produced[: self.written]
            await self._travel()
            return session_id if found else None

        return look


def reader(
    offsets: MemoryOffsets | Pipeline,
    *,
    partitions: int = PARTITIONS,
    wait_seconds: float = 20,
    max_waiters: int = 10,
    poll_seconds: float = 0,
    replicas: Replicas | None = None,
) -> ConsistentReader:
    return ConsistentReader(
        SinkProgress(offsets, poll_seconds=poll_seconds),
        TOPICS,
        replicas or LaggingReplicas(()),
        partitions=partitions,
        reads=ReadSettings(wait_seconds=wait_seconds, max_waiters=max_waiters),
    )


class LaggingReplicas:
    """They have caught up when each of `looks` has been asked for. None of them: never."""

    def __init__(self, looks: Iterable[object] | None) -> None:
        self._looks = looks
        self.have_caught_up = False

    async def caught_up(self) -> None:
        if self._looks is None:
            await asyncio.Event().wait()
        for _ in self._looks or ():
            await turns()
        self.have_caught_up = True

    async def close(self) -> None:
        """There is nothing to let go of."""


def log() -> MemoryOffsets:
    return MemoryOffsets(dict.fromkeys(TOPICS.all(), PARTITIONS))


def run(test: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(test, 30))


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def never() -> str | None:
    return None


async def refused(waiting: Awaitable[object]) -> ClickstreamError:
    with pytest.raises(ClickstreamError) as caught:
        await waiting
    return caught.value


STEPS = st.lists(st.sampled_from("pwc."), max_size=20)
TURNS = st.integers(0, 12)


@given(before=STEPS, during=STEPS)
def test_session_that_was_in_the_log_before_the_request_is_found(
    before: list[str], during: list[str]
) -> None:
    async def test() -> None:
        pipeline = Pipeline(during)
        for step in before:
            pipeline.take(step)
        pipeline.produced.append("mine")
        found = await reader(pipeline, partitions=1).find("mine", pipeline.look_for("mine"))
        assert found == "mine"

    run(test())


@given(before=STEPS, during=STEPS, delays=st.lists(TURNS), starts=st.lists(TURNS, max_size=5))
def test_concurrent_requests_of_one_process_are_each_right(
    before: list[str], during: list[str], delays: list[int], starts: list[int]
) -> None:
    async def test() -> None:
        pipeline = Pipeline(during, delays)
        one = reader(pipeline, partitions=1)

        async def post_and_get(name: str) -> None:
            pipeline.produced.append(name)
            assert await one.find(name, pipeline.look_for(name)) == name

        for step in before:
            pipeline.take(step)
        tasks = []
        for caller, start in enumerate(starts):
            await turns(start)
            tasks.append(asyncio.create_task(post_and_get(f"mine-{caller}")))
        await asyncio.gather(*tasks)

    run(test())


@given(during=STEPS)
def test_session_that_never_was_is_not_found(during: list[str]) -> None:
    async def test() -> None:
        pipeline = Pipeline(during)
        error = await refused(reader(pipeline, partitions=1).find("x", pipeline.look_for("x")))
        assert isinstance(error, SessionNotFound)

    run(test())


def test_session_that_is_there_is_found_without_asking_kafka() -> None:
    async def here() -> str:
        return "row"

    assert run(reader(MemoryOffsets({})).find("x", here)) == "row"


def test_sink_that_does_not_catch_up_is_a_503_and_not_a_404() -> None:
    offsets = log()
    offsets.append(TOPICS.sessions, partition_of("x", PARTITIONS))
    error = run(refused(reader(offsets, wait_seconds=0.01).find("x", never)))
    assert isinstance(error, SinkBehind)


def test_other_partitions_may_lag() -> None:
    offsets = log()
    offsets.append(TOPICS.sessions, 1 - partition_of("x", PARTITIONS))
    assert isinstance(run(refused(reader(offsets).find("x", never))), SessionNotFound)


def test_wrong_partition_count_in_the_settings_is_never_a_404() -> None:
    error = run(refused(reader(log(), partitions=PARTITIONS + 1).find("x", never)))
    assert isinstance(error, BrokerUnavailable)
    assert "CLICKSTREAM_TOPICS__PARTITIONS" in str(error)


def test_kafka_that_hangs_is_a_503_in_time() -> None:
    class Silent(MemoryOffsets):
        async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
            await asyncio.Event().wait()
            return await super().ends(partitions)

    async def test() -> ClickstreamError:
        one = reader(Silent(dict.fromkeys(TOPICS.all(), PARTITIONS)), wait_seconds=0.01)
        error = await refused(one.find("x", never))
        await one.stop()
        return error

    assert isinstance(run(test()), BrokerUnavailable)


def test_error_of_the_look_goes_through() -> None:
    async def broken() -> str | None:
        raise SinkUnavailable("ClickHouse is down")

    assert isinstance(run(refused(reader(log()).find("x", broken))), SinkUnavailable)


def test_too_many_waiters_are_turned_away_at_once_and_places_come_free() -> None:
    async def test() -> None:
        offsets = log()
        offsets.append(TOPICS.sessions, 0)
        one = reader(offsets, max_waiters=2)
        token = [Position(TOPICS.sessions, 0, 0)]
        waits = [asyncio.create_task(one.wait_for(token)) for _ in range(2)]
        await turns()
        assert isinstance(await refused(one.wait_for(token)), SinkBehind)
        waits[0].cancel()
        await turns()
        waits.append(asyncio.create_task(one.wait_for(token)))
        await turns()
        offsets.commit_all()
        await asyncio.gather(*waits[1:])

    run(test())


def test_no_token_is_no_wait() -> None:
    run(reader(MemoryOffsets({})).wait_for([]))


def test_token_waits_until_its_own_record_is_committed() -> None:
    async def test() -> None:
        offsets = log()
        for _ in range(3):
            offsets.append(TOPICS.sessions, 1)
        wait = asyncio.create_task(reader(offsets).wait_for([Position(TOPICS.sessions, 1, 1)]))
        offsets.commit(TOPICS.sessions, 1, 1)
        await turns(50)
        assert not wait.done()
        offsets.commit(TOPICS.sessions, 1, 2)
        await wait

    run(test())


@pytest.mark.parametrize("topic", [TOPICS.events, TOPICS.marks])
def test_token_of_an_event_or_mark_waits_for_the_sessions_before_the_read_too(topic: str) -> None:
    async def test() -> None:
        offsets = log()
        offsets.append(topic, 1)
        offsets.append(TOPICS.sessions, 1)
        wait = asyncio.create_task(reader(offsets).wait_for([Position(topic, 1, 0)]))
        offsets.commit(topic, 1, 1)
        await turns(50)
        assert not wait.done()
        offsets.append(TOPICS.sessions, 1)  # after the read began: not waited for
        offsets.commit(TOPICS.sessions, 1, 1)
        await wait

    run(test())


def test_whoever_waits_for_events_waits_for_events_and_session_as_they_were_then() -> None:
    async def test() -> None:
        offsets, partition = log(), partition_of("x", PARTITIONS)
        for topic in (TOPICS.events, TOPICS.sessions):
            offsets.append(topic, partition)
        offsets.append(TOPICS.events, 1 - partition)  # of other sessions: may lag
        wait = asyncio.create_task(reader(offsets).wait_for_events("x"))
        await turns(50)
        offsets.append(TOPICS.events, partition)  # after the call began: not waited for
        for topic in (TOPICS.events, TOPICS.sessions):
            assert not wait.done()
            offsets.commit(topic, partition, 1)
            await turns(50)
        await wait

    run(test())


def test_whoever_waits_for_events_of_any_session_waits_for_every_partition() -> None:
    async def test() -> None:
        offsets = log()
        written = [(t, n) for t in (TOPICS.events, TOPICS.sessions) for n in range(PARTITIONS)]
        for topic, partition in written:
            offsets.append(topic, partition)
        wait = asyncio.create_task(reader(offsets).wait_for_events(None))
        await turns(50)
        for topic, partition in written:
            assert not wait.done()
            offsets.commit(topic, partition, 1)
            await turns(50)
        await wait

    run(test())


@pytest.mark.parametrize("behind", [TOPICS.events, TOPICS.sessions])
def test_a_sink_that_is_behind_with_either_says_nothing_of_events(behind: str) -> None:
    offsets = log()
    offsets.append(behind, partition_of("x", PARTITIONS))
    error = run(refused(reader(offsets, wait_seconds=0.01).wait_for_events("x")))
    assert isinstance(error, SinkBehind)


def test_several_tokens_are_all_waited_for() -> None:
    async def test() -> None:
        offsets = log()
        tokens = [
            Position(TOPICS.sessions, 0, offsets.append(TOPICS.sessions, 0)),
            Position(TOPICS.sessions, 0, offsets.append(TOPICS.sessions, 0)),
            Position(TOPICS.sessions, 1, offsets.append(TOPICS.sessions, 1)),
        ]
        wait = asyncio.create_task(reader(offsets).wait_for(tokens))
        offsets.commit(TOPICS.sessions, 0, 1)
        offsets.commit(TOPICS.sessions, 1, 1)
        await turns(50)
        assert not wait.done()
        offsets.commit(TOPICS.sessions, 0, 2)
        await wait

    run(test())


@pytest.mark.parametrize(
    "position",
    [
        Position("elsewhere", 0, 0),
        Position(TOPICS.dead_letters, 0, 0),
        Position(TOPICS.sessions, PARTITIONS, 0),
        Position(TOPICS.sessions, 0, 1),
        Position(TOPICS.events, 1, 10**18),
    ],
)
def test_token_that_no_write_returned_is_refused_by_name(position: Position) -> None:
    offsets = log()
    offsets.append(TOPICS.sessions, 0)
    offsets.commit_all()
    error = run(refused(reader(offsets).wait_for([Position(TOPICS.sessions, 0, 0), position])))
    assert isinstance(error, InvalidRequest)
    assert len(error.errors) == 1
    assert str(position) in error.errors[0].message


def test_settings_alone_make_a_reader_that_opens_nothing_and_may_be_stopped_twice() -> None:
    from core.settings import Settings

    settings = Settings(_env_file=None, topics=TopicSettings(prefix="other."))
    reader = ConsistentReader.from_settings(settings, TOPICS)

    async def stop_twice() -> None:
        await reader.stop()
        await reader.stop()

    run(stop_twice())


def test_a_miss_is_looked_up_again_only_when_all_replicas_have_caught_up() -> None:
    replicas = LaggingReplicas(range(3))

    async def on_one_replica() -> str | None:
        return "found" if replicas.have_caught_up else None

    assert run(reader(log(), replicas=replicas).find("s", on_one_replica)) == "found"


def test_a_replica_that_does_not_catch_up_makes_no_404_and_no_read_of_a_position() -> None:
    behind = reader(log(), replicas=LaggingReplicas(None), wait_seconds=0.05)
    with pytest.raises(SinkBehind):
        run(behind.find("s", never))
    with pytest.raises(SinkBehind):
        run(behind.wait_for_events("s"))
    with pytest.raises(SinkBehind):
        run(behind.wait_for_replicas())
