"""How many questions of one key ClickHouse works on at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import Request

from core.errors import TooManyRequests
from core.http.scope_keys import CALLER
from core.settings import Settings

_WAITING_FOR_EACH = 16
"""So many may wait for each that runs: a page that asks for all of its parts at once is served."""
_RETRY_SECONDS = 5


class QuestionSlots:
    """One per process. A key's questions beyond `most_running` wait for their turn."""

    def __init__(self, most_running: int, seconds: float) -> None:
        """None waits longer than `seconds`."""
        self._most_running = most_running
        self._seconds = seconds
        self._asked: Counter[str | None] = Counter()  # running or waiting
        self._running: dict[str | None, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def held(self, key: str | None) -> AsyncIterator[None]:
        """Runs its body when it is this question's turn. Raises TooManyRequests when too many of
        the key wait already, or the turn does not come in time."""
        if self._asked[key] >= self._most_running * (1 + _WAITING_FOR_EACH):
            raise self._refusal(key)
        self._asked[key] += 1
        running = self._running.setdefault(key, asyncio.Semaphore(self._most_running))
        try:
            try:
                async with asyncio.timeout(self._seconds):
                    await running.acquire()
            except TimeoutError:
                raise self._refusal(key) from None
            try:
                yield
            finally:
                running.release()
        finally:
            self._asked[key] -= 1
            if not self._asked[key]:
                del self._asked[key], self._running[key]

    def _refusal(self, key: str | None) -> TooManyRequests:
        return TooManyRequests(
            f"{self._asked[key]} questions of this key run or wait, and {self._most_running} run "
            "at a time (CLICKSTREAM_READS__QUESTIONS_PER_KEY)",
            _RETRY_SECONDS,
        )


def takes_turns(settings: Settings) -> Callable[[Request], AsyncIterator[None]]:
    """A FastAPI dependency: the request waits for its turn, and holds it until it is answered."""
    slots = QuestionSlots(settings.reads.questions_per_key, settings.reads.query_seconds)

    async def turn(request: Request) -> AsyncIterator[None]:
        async with slots.held(request.scope.get(CALLER)):
            yield

    return turn
