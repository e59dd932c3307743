"""The one flush loop of a worker: gathers batches of all topics, decodes, writes, commits.

A pipeline of two: while one flush is being written, the next one is gathered and decoded. Writing
stays one by one, in the order of the log; nothing is looked up before the write in front is done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from core.clock import Clock
from core.errors import Unavailable
from core.kafka.partitions import Partition
from core.telemetry import WORKER_FLUSH_ROWS, WORKER_FLUSH_SECONDS, WORKER_RECORDS
from stream_processors.consume.batches import FetchedBatch
from stream_processors.consume.offset_ledger import OffsetLedger
from stream_processors.write.flush import DecodedTopics, FlushReport

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Pace:
    """How long to leave it alone, by how long it took: seconds."""

    at_least: float
    at_most: float

    def pause_after(self, took: float) -> float:
        """So that it has a twentieth of the time, where the bounds allow it."""
        return min(max(self.at_least, 20 * took), self.at_most)


# Events that this worker adopted are deleted from `unjoined_events`: a deletion is a mutation, and
# a mutation per flush would be slower than the flush.
_SWEEP = _Pace(2.0, 60.0)

# Events that anybody adopted: a predecessor may have died between its commit and its sweep, and a
# worker that has lost its partitions without noticing may write an event as unjoined after its
# successor has joined it. All days are looked into.
_TIDY = _Pace(60.0, 600.0)

# Flushes' worth of rows that may wait for theirs. Records without a value weigh nothing, and cost a
# kilobyte each while they are set aside.
_MOST_FLUSHES = 4

# What is posted together comes in fetches of different topics; so much later all of it is here, and
# an event need not be written as one that waits for its session. Seconds.
_TOGETHER_SECONDS = 0.05

# A write that takes longer than any flush should waits for a server that hangs without a word,
# seconds: the client itself gives up after a minute.
_HANGING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class FlushTriggers:
    """What ends a flush: its rows, its bytes, or the time since the one before. And how many bytes
    may wait for theirs."""

    rows: int
    bytes: int
    seconds: float
    buffer_bytes: int


class _Origin(NamedTuple):
    """What is left of a batch once it is decoded: where it came from, and its number of rows."""

    source: Partition
    generation: int
    first: int
    rows: int


class Stages(Protocol):
    """A flush in two halves, so that the next one is decoded while this one is being written."""

    def decode(self, batches: Sequence[FetchedBatch]) -> DecodedTopics:
        """Blocks. Depends on the records alone."""
        ...

    def write(self, decoded: DecodedTopics) -> FlushReport:
        """Blocks until all of it is durable. One at a time, in the order of the log."""
        ...

    def delete_adopted(self) -> None:
        """Blocks. Deletes events that no longer wait, of its own adoptions; never while a write is
        under way."""
        ...

    def delete_adopted_everywhere(self) -> None:
        """The same of everybody's adoptions."""
        ...


class FlushLoop:
    """Agents `feed` it, `run` empties it. The blocking work happens on threads of its own."""

    def __init__(
        self,
        stages: Stages,
        triggers: FlushTriggers,
        clock: Clock,
        on_report: Callable[[FlushReport], None],
        is_paused: Callable[[], bool],
    ) -> None:
        """`is_paused` says whether a stage waits for a server that is down."""
        self._stages = stages
        self._triggers = triggers
        self._clock = clock
        self._on_report = on_report
        self._is_paused = is_paused
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._buffer: list[FetchedBatch] = []
        self._rows = 0
        self._bytes = 0
        self._changed = asyncio.Condition()
        self._since = 0.0  # when its first batch came
        self._taken_at = clock.monotonic()
        self._in_flight = 0
        self._writing_since: float | None = None
        self._urgent = False
        self._adopted = False
        self._sweep_at = self._tidy_at = clock.monotonic() + _SWEEP.at_least

    async def feed(self, batches: Sequence[FetchedBatch]) -> None:
        """Hand batches over. Waits while the buffer is full: fetching then pauses by itself."""
        async with self._changed:
            await self._changed.wait_for(self._has_room)
            if not self._buffer:
                self._since = self._clock.monotonic()
            self._buffer += batches
            self._rows += sum(map(len, batches))
            self._bytes += sum(batch.nbytes for batch in batches)
            self._changed.notify_all()

    async def drain(self) -> None:
        """Flush what is here without waiting for more; returns when all of it is written."""
        async with self._changed:
            self._urgent = True
            self._changed.notify_all()
            try:
                await self._changed.wait_for(lambda: not self._buffer and not self._in_flight)
            finally:
                self._urgent = False

    async def run(self, ledger: OffsetLedger, commit: Callable[[], Awaitable[object]]) -> None:
        """Flush for ever; ends only by cancellation or by an error nothing can be done about.

        `ledger` is told what is written; `commit` then commits what it allows.
        """
        writing = asyncio.create_task(self._sweep_if_due())
        try:
            while True:
                batches = await self._next()
                # Partitions that were taken away meanwhile are their new owner's to write.
                ours = [b for b in batches if ledger.is_current(b.source, b.generation)]
                decoded = await self._on(self._decoder, self._stages.decode, ours)
                origins = [_Origin(b.source, b.generation, b.first, len(b)) for b in ours]
                # Nobody needs their bytes any more, and the write may take long.
                del batches, ours
                await writing
                writing = asyncio.create_task(self._write(origins, decoded, ledger, commit))
                del decoded
        finally:
            writing.cancel()

    async def _next(self) -> list[FetchedBatch]:
        """The next batches, once they are many or it is time; [] when only the sweep is due.

        Flushes are paced, records are not aged: ClickHouse gets no more parts to merge, and what
        comes after a pause is written at once.
        """
        async with self._changed:
            if await self._wait(lambda: bool(self._buffer), _SWEEP.at_least):
                pace = self._triggers.seconds
                due = max(self._taken_at + pace, self._since + min(pace, _TOGETHER_SECONDS))
                await self._wait(self._is_full, max(0.0, due - self._clock.monotonic()))
                self._taken_at = self._clock.monotonic()
            batches = self._take()
            self._in_flight += 1
            self._changed.notify_all()
        return batches

    def _has_room(self) -> bool:
        if self._buffer and (self._is_paused() or self._hangs()):
            # Kafka keeps for days what waits; memory need not. The end of the write asks again.
            return False
        triggers = self._triggers
        return self._bytes < triggers.buffer_bytes and self._rows < _MOST_FLUSHES * triggers.rows

    def _hangs(self) -> bool:
        since = self._writing_since
        return since is not None and self._clock.monotonic() - since > _HANGING_SECONDS

    def _is_full(self) -> bool:
        triggers = self._triggers
        return self._rows >= triggers.rows or self._bytes >= triggers.bytes or self._urgent

    def _take(self) -> list[FetchedBatch]:
        """All of them: what has piled up is cheaper to write in one go, and bounded."""
        batches, self._buffer = self._buffer, []
        self._rows = self._bytes = 0
        return batches

    async def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._changed.wait_for(condition), seconds)
        except TimeoutError:
            return condition()
        return True

    async def _write(
        self,
        origins: Sequence[_Origin],
        decoded: DecodedTopics,
        ledger: OffsetLedger,
        commit: Callable[[], Awaitable[object]],
    ) -> None:
        started = self._writing_since = self._clock.monotonic()
        if origins:
            report = await self._on(self._writer, self._stages.write, decoded)
            WORKER_FLUSH_SECONDS.observe(self._clock.monotonic() - started)
            self._count(origins, report)
            for origin in origins:
                ledger.written(origin.source, origin.generation, origin.first)
            await commit()
        async with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()
        await self._sweep_if_due()
        async with self._changed:
            self._writing_since = None
            self._changed.notify_all()

    def _count(self, origins: Sequence[_Origin], report: FlushReport) -> None:
        WORKER_FLUSH_ROWS.observe(sum(origin.rows for origin in origins))
        for origin in origins:
            WORKER_RECORDS.labels(origin.source.topic).inc(origin.rows)
        self._adopted |= report.adopted > 0
        self._on_report(report)

    async def _sweep_if_due(self) -> None:
        started = self._clock.monotonic()
        tidy = started >= self._tidy_at
        if not tidy and not (self._adopted and started >= self._sweep_at):
            return
        try:
            await self._on(
                self._writer,
                self._stages.delete_adopted_everywhere if tidy else self._stages.delete_adopted,
            )
        except Unavailable as error:
            log.warning("adopted events are not deleted yet: %s", error)
        else:
            self._adopted = False
        ended = self._clock.monotonic()
        self._sweep_at = ended + _SWEEP.pause_after(ended - started)
        if tidy:
            self._tidy_at = ended + _TIDY.pause_after(ended - started)

    async def _on(self, thread: ThreadPoolExecutor, work: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(thread, work, *args)
