"""The flush loop: what it gathers, in which order it writes, what it commits."""

from __future__ import annotations

import asyncio
import itertools
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace

import pytest

from core.clock import Clock, SystemClock
from core.errors import SinkUnavailable
from core.kafka.partitions import Partition
from stream_processors.consume.batches import FetchedBatch, Record, Records
from stream_processors.consume.gather import FlushTriggers
from stream_processors.consume.offset_ledger import OffsetLedger
from stream_processors.decode.topics import DecodedTopics
from stream_processors.process import pipeline
from stream_processors.process.pipeline import FlushPipeline
from stream_processors.write.facts_refresh import FactsRefresh
from stream_processors.write.flush import FlushReport
from tests.clock import ManualClock
from tests.core.http.counted import counted
from tests.stream_processors.memory_sink import MemorySink
from tests.stream_processors.records import TOPICS

SOURCE = Partition("events", 0)
NOTHING = FlushReport(0, 0, 0, 0, 0, 0, ())
ADOPTED = replace(NOTHING, adopted=1)
SECONDS = 5.0


def batch(first: int, rows: int = 1) -> FetchedBatch:
    records = Records.of(Record(first + row, b"k", b"v") for row in range(rows))
    return FetchedBatch(SOURCE, 1, first, first + rows, [records])


class Stages:
    """Notes what is decoded and written; a write waits where it is told to."""

    def __init__(self) -> None:
        self.decoded: list[list[int]] = []
        self.written: list[list[int]] = []
        self.may_write = threading.Event()
        self.may_write.set()
        self.broken: Exception | None = None
        self.report = NOTHING
        self.deleted: list[str] = []
        self.deleting_takes: Callable[[], None] = lambda: None
        self.deleting_fails = False
        self.writers = 0
        self.facts = FactsRefresh(MemorySink(), TOPICS, epoch=0)

    def decode(self, batches: Sequence[FetchedBatch]) -> DecodedTopics:
        self.decoded.append([b.first for b in batches])
        return {str(len(self.decoded) - 1): None}  # type: ignore[dict-item] # only its key is read

    def write(self, decoded: DecodedTopics) -> FlushReport:
        with self._alone():
            assert self.may_write.wait(SECONDS)
            if self.broken:
                raise self.broken
            self.written.append(self.decoded[int(next(iter(decoded)))])
        return self.report

    def delete_adopted(self) -> bool:
        self._delete("adopted")
        return True

    def clean_up_portion(self) -> bool:
        self._delete("everywhere")
        return True

    def _delete(self, which: str) -> None:
        with self._alone():
            self.deleted.append(which)
            self.deleting_takes()
            if self.deleting_fails:
                raise SinkUnavailable("it is down")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.writers += 1
        assert self.writers == 1
        try:
            yield
        finally:
            self.writers -= 1


class Rig:
    """A loop that runs, its ledger, and the offsets that were committed."""

    def __init__(self, rows: int, seconds: float, size: int, clock: Clock) -> None:
        self.stages = Stages()
        self.ledger = OffsetLedger()
        self.ledger.assign([SOURCE], 1)
        self.ledger.start_at(SOURCE, 1, 0)
        self.committed: list[int] = []
        self.is_paused = False
        self.pipeline = FlushPipeline(
            self.stages,
            FlushTriggers(rows, size, seconds, 5_000),
            clock,
            lambda _: None,
            lambda: self.is_paused,
        )

    async def feed(self, *batches: FetchedBatch) -> None:
        for each in batches:
            self.ledger.hand_out(each.source, each.generation, each.first, each.next)
            await self.pipeline.feed([each])

    async def commit(self) -> None:
        due = self.ledger.committable()
        self.committed.extend(due.values())
        self.ledger.committed(due)


def run(
    test: Callable[[Rig], Awaitable[None]],
    rows: int = 1000,
    seconds: float = 60.0,
    size: int = 1_000_000,
    clock: Clock | None = None,
) -> None:
    async def go() -> None:
        rig = Rig(rows, seconds, size, clock or SystemClock())
        async with running(rig), asyncio.timeout(SECONDS):
            await test(rig)

    asyncio.run(go())


@asynccontextmanager
async def running(rig: Rig):  # type: ignore[no-untyped-def] # a fixture in all but name
    task = asyncio.create_task(rig.pipeline.run(rig.ledger, rig.commit))
    try:
        yield
    finally:
        rig.stages.may_write.set()
        task.cancel()
        with suppress(asyncio.CancelledError, RuntimeError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - it changes on another thread
        await asyncio.sleep(0.005)


def test_so_many_rows_end_a_flush() -> None:
    async def test(rig: Rig) -> None:
        await rig.feed(batch(0, 2), batch(2, 3))
        await until(lambda: rig.committed == [5])
        assert rig.stages.written == [[0, 2]]

    run(test, rows=5)


def test_so_many_bytes_end_a_flush() -> None:
    async def test(rig: Rig) -> None:
        await rig.feed(batch(0, 50))
        await until(lambda: rig.committed == [50])

    run(test, size=50)


def test_what_has_piled_up_is_written_in_one_go() -> None:
    async def test(rig: Rig) -> None:
        rig.stages.may_write.clear()
        await rig.feed(batch(0))
        await until(lambda: [0] in rig.stages.decoded)
        await rig.feed(batch(1))
        await until(lambda: [1] in rig.stages.decoded)
        await rig.feed(*(batch(first) for first in range(2, 6)))
        rig.stages.may_write.set()
        await until(lambda: bool(rig.committed) and rig.committed[-1] == 6)
        assert rig.stages.written == [[0], [1], list(range(2, 6))]

    run(test, rows=1)


def test_the_time_since_the_last_flush_ends_the_next() -> None:
    async def test(rig: Rig) -> None:
        for first in range(3):
            await rig.feed(batch(first))
            await until(lambda first=first: rig.committed[-1:] == [first + 1])

    run(test, seconds=0.05)


def test_own_adoptions_are_deleted_soon_and_everybodys_now_and_then() -> None:
    async def test(rig: Rig) -> None:
        flush = flushes(rig, clock)
        assert await flush(1, ADOPTED) == []
        assert await flush(1) == ["everywhere"], "a predecessor may have left some"
        assert await flush(1, ADOPTED) == []
        assert await flush(1) == ["adopted"]
        assert await flush(50) == [], "nothing was adopted"
        assert await flush(10) == ["everywhere"]

    clock = ManualClock()
    run(test, rows=1, clock=clock)


def test_a_deletion_that_takes_long_is_followed_by_a_long_pause() -> None:
    async def test(rig: Rig) -> None:
        flush = flushes(rig, clock)
        assert await flush(2) == ["everywhere"]
        rig.stages.deleting_takes = lambda: clock.advance(1)
        assert await flush(2, ADOPTED) == ["adopted"]
        assert await flush(19, ADOPTED) == []
        rig.stages.deleting_takes = lambda: clock.advance(30)
        assert await flush(1) == ["adopted"]
        assert await flush(60, ADOPTED) == ["everywhere"], "which comes first when both are due"
        assert await flush(59, ADOPTED) == []
        assert await flush(1) == ["adopted"], "after a minute at the latest"

    clock = ManualClock()
    run(test, rows=1, clock=clock)


def test_a_deletion_that_fails_is_tried_again() -> None:
    async def test(rig: Rig) -> None:
        flush = flushes(rig, clock)
        rig.stages.deleting_fails = True
        assert await flush(2, ADOPTED) == ["everywhere"]
        assert await flush(2) == ["adopted"]
        rig.stages.deleting_fails = False
        assert await flush(2) == ["adopted"]
        assert await flush(2) == []

    clock = ManualClock()
    run(test, rows=1, clock=clock)


def flushes(rig: Rig, clock: ManualClock) -> Callable[..., Awaitable[list[str]]]:
    """Flush so many seconds later; what was deleted then."""
    numbers = itertools.count()

    async def write(report: FlushReport) -> None:
        rig.stages.report = report
        await rig.feed(batch(number := next(numbers)))
        await until(lambda: rig.committed[-1:] == [number + 1])

    async def flush(seconds: float, report: FlushReport = NOTHING) -> list[str]:
        clock.advance(seconds)
        rig.stages.deleted = []
        await write(report)
        await write(NOTHING)  # not before the deletion after the other one is over
        return rig.stages.deleted

    return flush


def test_what_comes_after_a_pause_is_written_at_once() -> None:
    async def test(rig: Rig) -> None:
        clock.advance(60)
        await rig.feed(batch(0))
        await until(lambda: rig.committed == [1])
        await rig.feed(batch(1))
        await asyncio.sleep(0.2)
        assert rig.committed == [1], "the next one is not due yet"

    clock = ManualClock()
    run(test, seconds=60, clock=clock)


def test_records_that_waited_behind_a_write_are_not_made_to_wait_again() -> None:
    async def test(rig: Rig) -> None:
        rig.stages.may_write.clear()
        await rig.feed(batch(0))
        await until(lambda: len(rig.stages.decoded) == 1)
        await rig.feed(batch(1))
        await asyncio.sleep(0.3)
        # It is old enough, and has been decoded behind the write that is under way.
        assert [firsts for firsts in rig.stages.decoded if firsts] == [[0], [1]]
        assert rig.stages.written == []
        rig.stages.may_write.set()
        await until(lambda: rig.committed == [1, 2])

    run(test, seconds=0.1)


def test_fetched_bytes_are_let_go_while_their_rows_are_written() -> None:
    async def test(rig: Rig) -> None:
        rig.stages.may_write.clear()
        fetched = batch(0)
        values = weakref.ref(fetched.parts[0].values)
        await rig.feed(fetched)
        del fetched
        await until(lambda: [0] in rig.stages.decoded and values() is None)
        assert rig.stages.written == []

    run(test, rows=1)


def test_nothing_is_committed_before_it_is_written() -> None:
    async def test(rig: Rig) -> None:
        rig.stages.may_write.clear()
        await rig.feed(batch(0))
        await until(lambda: len(rig.stages.decoded) > 0)
        await asyncio.sleep(0.1)
        assert rig.committed == []

    run(test, rows=1)


def test_freshness_is_the_age_of_the_oldest_record_of_a_flush_once_it_is_written() -> None:
    def observed() -> tuple[float, float]:
        name = "clickstream_worker_freshness_seconds"
        return counted(f"{name}_count"), counted(f"{name}_sum")

    clock = ManualClock()
    produced_ms = clock.now_ms() - 2_000
    aged = replace(batch(0), parts=[replace(batch(0).parts[0], produced_ms=produced_ms)])
    before = observed()

    async def test(rig: Rig) -> None:
        rig.stages.may_write.clear()
        await rig.feed(aged)
        await until(lambda: rig.stages.decoded != [])
        clock.advance(3)
        rig.stages.may_write.set()
        await until(lambda: rig.committed != [])

    run(test, rows=1, clock=clock)
    count, total = observed()
    assert (count - before[0], total - before[1]) == (1, pytest.approx(5.0))


def test_drain_returns_when_everything_is_written() -> None:
    async def test(rig: Rig) -> None:
        await rig.feed(batch(0), batch(1))
        await rig.pipeline.drain()
        assert rig.stages.written == [[0, 1]]
        assert rig.committed == [2]

    run(test)


def test_batches_of_an_older_assignment_are_left_to_the_new_owner() -> None:
    async def test(rig: Rig) -> None:
        await rig.feed(batch(0))
        rig.ledger.assign([SOURCE], 2)
        await rig.pipeline.drain()
        assert rig.stages.written == []
        assert rig.committed == []

    run(test)


def test_feeding_waits_while_the_buffer_is_full() -> None:
    async def test(rig: Rig) -> None:
        rig.stages.may_write.clear()
        for first in range(0, 3000, 1000):
            await rig.feed(batch(first, 1000))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(rig.feed(batch(3000, 1000)), 0.1)

    run(test)


def test_records_that_weigh_nothing_fill_the_buffer_too() -> None:
    async def test(rig: Rig) -> None:
        rig.stages.may_write.clear()
        await rig.feed(batch(0))
        await until(lambda: len(rig.stages.decoded) == 1)  # is being written
        await rig.feed(batch(1))
        await until(lambda: len(rig.stages.decoded) == 2)  # waits for that
        await rig.feed(*(batch(first) for first in range(2, 6)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(rig.feed(batch(6)), 0.1)

    run(test, rows=1)


def test_while_a_server_is_down_next_to_nothing_piles_up() -> None:
    async def test(rig: Rig) -> None:
        rig.stages.may_write.clear()
        await rig.feed(batch(0))
        await until(lambda: len(rig.stages.decoded) == 1)  # is being written
        rig.is_paused = True
        await rig.feed(batch(1))
        waiting = asyncio.create_task(rig.feed(batch(2), batch(3)))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        rig.is_paused = False
        rig.stages.may_write.set()
        await waiting
        await rig.pipeline.drain()
        assert sorted(first for flush in rig.stages.written for first in flush) == [0, 1, 2, 3]

    run(test, rows=1)


def test_while_a_write_hangs_next_to_nothing_piles_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_HANGING_SECONDS", 0.05)

    async def test(rig: Rig) -> None:
        rig.stages.may_write.clear()
        await rig.feed(batch(0))
        await until(lambda: len(rig.stages.decoded) == 1)  # is being written
        await asyncio.sleep(0.1)
        await rig.feed(batch(1))
        await until(lambda: len(rig.stages.decoded) == 2)  # waits for that
        await rig.feed(batch(2))
        waiting = asyncio.create_task(rig.feed(batch(3)))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        rig.stages.may_write.set()
        await waiting
        await rig.pipeline.drain()
        assert sorted(first for flush in rig.stages.written for first in flush) == [0, 1, 2, 3]

    run(test, rows=1)


def test_an_error_that_nothing_can_be_done_about_ends_the_loop() -> None:
    async def test(rig: Rig) -> None:
        rig.stages.broken = RuntimeError("the schema is not ours")
        running = asyncio.create_task(rig.pipeline.run(rig.ledger, rig.commit))
        await rig.feed(batch(0))
        with pytest.raises(RuntimeError, match="not ours"):
            await running

    async def go() -> None:
        async with asyncio.timeout(SECONDS):
            rig = Rig(rows=1, seconds=60.0, size=1_000, clock=SystemClock())
            await test(rig)
            assert rig.committed == []

    asyncio.run(go())
