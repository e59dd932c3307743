"""Gathers fetched batches of all topics until there are enough of them, or it is time, to flush."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.clock import Clock
from stream_processors.consume.batches import FetchedBatch

# Rows that may wait in the buffer, in flushes. The bytes of values do not bound the buffer alone:
# a record without a value has none, and costs a kilobyte when it is rejected.
_MOST_FLUSHES = 4

# What is posted together arrives in fetches of different topics. After so many seconds all of it is
# here, so an event is not written as one that waits for its session.
_TOGETHER_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class FlushTriggers:
    """What starts a flush: its rows, its bytes, or the seconds since the flush before.

    `buffer_bytes` is how many bytes may wait for the next flush.
    """

    rows: int
    bytes: int
    seconds: float
    buffer_bytes: int


class BatchBuffer:
    """Batches that wait for the next flush. For one event loop; `put` and `take` may run at once.

    A flush is in flight from `take` until `finished`.
    """

    def __init__(self, triggers: FlushTriggers, clock: Clock, is_stuck: Callable[[], bool]) -> None:
        """While `is_stuck` says that nothing can be written, the buffer takes only one more."""
        self._triggers = triggers
        self.seconds = triggers.seconds
        """The seconds since the flush before that start one. May be changed."""
        self._clock = clock
        self._is_stuck = is_stuck
        self._batches: list[FetchedBatch] = []
        self._rows = 0
        self._bytes = 0
        self._changed = asyncio.Condition()
        self._first_at = 0.0  # when the first of the batches came
        self._taken_at = clock.monotonic()
        self._in_flight = 0
        self._draining = False

    async def put(self, batches: Sequence[FetchedBatch]) -> None:
        """Add batches. Waits while the buffer is full: the caller then fetches nothing."""
        async with self._changed:
            await self._changed.wait_for(self._has_room)
            if not self._batches:
                self._first_at = self._clock.monotonic()
            self._batches += batches
            self._rows += sum(map(len, batches))
            self._bytes += sum(batch.nbytes for batch in batches)
            self._changed.notify_all()

    async def take(self, idle_seconds: float) -> list[FetchedBatch]:
        """Everything that is here, once a trigger fires; [] when nothing came in `idle_seconds`.

        The trigger is the time since the last flush, not the age of a record: so ClickHouse gets no
        more parts to merge, and what comes after a pause is written at once.
        """
        async with self._changed:
            if await self._wait(lambda: bool(self._batches), idle_seconds):
                seconds = self.seconds
                due = max(
                    self._taken_at + seconds, self._first_at + min(seconds, _TOGETHER_SECONDS)
                )
                await self._wait(self._is_enough, max(0.0, due - self._clock.monotonic()))
                self._taken_at = self._clock.monotonic()
            # All of them: what has piled up is cheaper to write in one flush, and is bounded.
            batches, self._batches = self._batches, []
            self._rows = self._bytes = 0
            self._in_flight += 1
            self._changed.notify_all()
        return batches

    async def finished(self) -> None:
        """What one `take` returned is written and committed."""
        async with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()

    async def unstuck(self) -> None:
        """`is_stuck` may have changed: let `put` ask again."""
        async with self._changed:
            self._changed.notify_all()

    async def drain(self) -> None:
        """Start the next flush at once; returns when nothing waits and nothing is in flight."""
        async with self._changed:
            self._draining = True
            self._changed.notify_all()
            try:
                await self._changed.wait_for(lambda: not self._batches and not self._in_flight)
            finally:
                self._draining = False

    def _has_room(self) -> bool:
        if self._batches and self._is_stuck():
            return False  # Kafka keeps for days what waits; memory need not
        triggers = self._triggers
        return self._bytes < triggers.buffer_bytes and self._rows < _MOST_FLUSHES * triggers.rows

    def _is_enough(self) -> bool:
        triggers = self._triggers
        return self._rows >= triggers.rows or self._bytes >= triggers.bytes or self._draining

    async def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._changed.wait_for(condition), seconds)
        except TimeoutError:
            return condition()
        return True
