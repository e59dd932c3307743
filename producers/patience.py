"""`Patience`: `asyncio.timeout` for waits that are many and nearly always short."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Patience:
    """Bounds waits in time, with one timer for all that are under way. Used on one event loop.

    A timer for each wait was a quarter of all that the edge does in Python for a request; a dict
    entry is next to nothing. The price: a wait ends up to a quarter later than it should.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._begun: dict[asyncio.Task[object], float] = {}  # oldest first
        self._overdue: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """Its result; TimeoutError, and the awaitable cancelled, when it takes too long.

        A task waits for one thing at a time.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("Patience.wait is for code that runs in a task")
        self._begun[task] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self.seconds / 4, self._look)
        try:
            return await awaitable
        except asyncio.CancelledError:
            # Ours alone; when others cancelled the task as well, it is cancelled.
            if task in self._overdue and task.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            self._begun.pop(task, None)
            self._overdue.discard(task)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        late = loop.time() - self.seconds
        for task in [task for task, begun in self._begun.items() if begun <= late]:
            del self._begun[task]
            self._overdue.add(task)
            task.cancel()
        self._timer = loop.call_later(self.seconds / 4, self._look) if self._begun else None
