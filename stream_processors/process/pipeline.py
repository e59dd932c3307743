"""Takes gathered batches through decoding and writing, and commits what is written.

A pipeline of two: while one flush is written, the next one is gathered and decoded. Flushes are
written one at a time, in the order of the log; nothing is looked up before the flush in front is
written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from core import tracing
from core.clock import Clock
from core.kafka.partitions import Partition
from core.telemetry import (
    WORKER_FLUSH_ROWS,
    WORKER_FLUSH_SECONDS,
    WORKER_FRESHNESS,
    WORKER_RECORDS,
)
from stream_processors.consume.batches import FetchedBatch
from stream_processors.consume.gather import BatchBuffer, FlushTriggers
from stream_processors.consume.offset_ledger import OffsetLedger
from stream_processors.decode.topics import DecodedTopics
from stream_processors.write.delete_adopted import OWN, AdoptedDeletions, DeleteAdoptedSchedule
from stream_processors.write.facts_refresh import SHORTEST_SECONDS, FactsRefresh, FactsSchedule
from stream_processors.write.flush import FlushReport

T = TypeVar("T")

# A write that takes longer than any flush should is waiting for a server that does not answer,
# seconds. The client itself gives up after a minute.
_HANGING_SECONDS = 5.0


class _Origin(NamedTuple):
    """What is left of a batch once it is decoded: where it came from, its number of rows, and when
    the oldest of them was produced (milliseconds since the epoch; 0: not known)."""

    source: Partition
    generation: int
    first: int
    rows: int
    produced_ms: int

    @classmethod
    def of(cls, batch: FetchedBatch) -> _Origin:
        return cls(batch.source, batch.generation, batch.first, len(batch), batch.produced_ms)


class Stages(AdoptedDeletions, Protocol):
    """A flush in two halves, so that the next one is decoded while this one is written."""

    @property
    def facts(self) -> FactsRefresh:
        """What follows the flushes."""
        ...

    def decode(self, batches: Sequence[FetchedBatch]) -> DecodedTopics:
        """Blocks. Depends on the records alone."""
        ...

    def write(self, decoded: DecodedTopics) -> FlushReport:
        """Blocks until all of it is durable. One at a time, in the order of the log."""
        ...


class FlushPipeline:
    """The agent calls `feed`; `run` empties the buffer. Blocking work runs on two threads."""

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
        self._clock = clock
        self._on_report = on_report
        self._is_paused = is_paused
        self._buffer = BatchBuffer(triggers, clock, self._is_stuck)
        self._deletions = DeleteAdoptedSchedule(stages, clock)
        self._facts = FactsSchedule(stages.facts, clock)
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="decode")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._writing_since: float | None = None

    def owns_clean_up(self, owns: bool) -> None:
        """Whether this worker is the one that deletes what any of them has adopted."""
        self._deletions.owns_clean_up = owns

    def wait_between(self, seconds: float) -> None:
        """The longest time between two batches, from now on."""
        self._buffer.seconds = seconds

    async def feed(self, batches: Sequence[FetchedBatch]) -> None:
        """Hand batches over. Waits while the buffer is full: fetching then pauses by itself."""
        await self._buffer.put(batches)

    async def drain(self) -> None:
        """Flush what is here without waiting for more; returns when all of it is written."""
        await self._buffer.drain()

    async def run(self, ledger: OffsetLedger, commit: Callable[[], Awaitable[object]]) -> None:
        """Flush for ever; ends only by cancellation or by an error nothing can be done about.

        `ledger` is told what is written; `commit` then commits what it allows.
        """
        writing = asyncio.create_task(self._follow_up(ledger, is_idle=True))
        try:
            while True:
                batches = await self._buffer.take(idle_seconds=min(OWN.shortest, SHORTEST_SECONDS))
                # A partition that was taken away meanwhile is its new owner's to write.
                ours = [b for b in batches if ledger.is_current(b.source, b.generation)]
                decoded = await self._on(self._decoder, self._stages.decode, ours)
                origins = [_Origin.of(batch) for batch in ours]
                parents = _parents_of(ours) if tracing.is_on() else []
                # Nobody needs their bytes any more, and the write may take long.
                del batches, ours
                await writing
                write = tracing.traced_flush(parents, self._stages.write)
                writing = asyncio.create_task(
                    self._write(origins, partial(write, decoded), ledger, commit)
                )
                del decoded, write
        finally:
            writing.cancel()

    def _is_stuck(self) -> bool:
        since = self._writing_since
        hangs = since is not None and self._clock.monotonic() - since > _HANGING_SECONDS
        return hangs or self._is_paused()

    async def _write(
        self,
        origins: Sequence[_Origin],
        write: Callable[[], FlushReport],
        ledger: OffsetLedger,
        commit: Callable[[], Awaitable[object]],
    ) -> None:
        started = self._writing_since = self._clock.monotonic()
        if origins:
            report = await self._on(self._writer, write)
            WORKER_FLUSH_SECONDS.observe(self._clock.monotonic() - started)
            self._count(origins, report)
            for origin in origins:
                ledger.written(origin.source, origin.generation, origin.first)
            await commit()
        await self._buffer.finished()
        await self._follow_up(ledger, is_idle=not origins)
        self._writing_since = None
        await self._buffer.unstuck()

    def _count(self, origins: Sequence[_Origin], report: FlushReport) -> None:
        WORKER_FLUSH_ROWS.observe(sum(origin.rows for origin in origins))
        for origin in origins:
            WORKER_RECORDS.labels(origin.source.topic).inc(origin.rows)
        if oldest := min(filter(None, (origin.produced_ms for origin in origins)), default=0):
            WORKER_FRESHNESS.observe(max(0.0, (self._clock.now_ms() - oldest) / 1000))
        if report.adopted or report.left:
            self._deletions.note_adopted(has_left=report.left > 0)
        self._on_report(report)

    async def _follow_up(self, ledger: OffsetLedger, *, is_idle: bool) -> None:
        """What is due after flushes, and when there is none."""
        if self._facts.is_due(is_idle=is_idle):
            await self._on(self._writer, self._facts.run, ledger.last_committed())
        if self._deletions.is_due():
            await self._on(self._writer, self._deletions.run)

    async def _on(self, thread: ThreadPoolExecutor, work: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(thread, work, *args)


def _parents_of(batches: Sequence[FetchedBatch]) -> list[bytes]:
    """The traces of which these records are a part, as their headers say."""
    return [
        value
        for batch in batches
        for part in batch.parts
        for headers in part.headers.values()
        for name, value in headers
        if name == tracing.HEADER and value is not None
    ]
