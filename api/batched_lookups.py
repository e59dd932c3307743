"""Many lookups of one key in few queries: lookups that come while queries run share the next one.

A point read costs ClickHouse mostly a fixed amount, for parsing, planning over every day and
answering. One lookup at a time is not delayed. Sixteen at once become two queries, not sixteen.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class BatchedLookups(Generic[Key, Value]):
    """`fetch` looks up several keys at once; a key that it leaves out has the value None.

    The fetch that serves a `get` begins after the call of `get`, so it sees everything written
    before. At most `concurrency` fetches run at a time, each of at most `batch_size` keys.
    """

    def __init__(
        self,
        fetch: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value]]],
        *,
        concurrency: int,
        batch_size: int,
    ) -> None:
        self._fetch = fetch
        self._concurrency = concurrency
        self._batch_size = batch_size
        self._waiting: OrderedDict[Key, asyncio.Future[Value | None]] = OrderedDict()
        self._running: set[asyncio.Task[None]] = set()

    async def get(self, key: Key) -> Value | None:
        """The value of this key. Raises what `fetch` raised."""
        answer = self._waiting.get(key)
        if answer is None:
            answer = asyncio.get_running_loop().create_future()
            self._waiting[key] = answer
            self._start_fetches()
        # Shielded: other callers may wait for the same value.
        return await asyncio.shield(answer)

    def _start_fetches(self) -> None:
        while self._waiting and len(self._running) < self._concurrency:
            count = min(self._batch_size, len(self._waiting))
            batch = dict(self._waiting.popitem(last=False) for _ in range(count))
            task = asyncio.create_task(self._run(batch))
            self._running.add(task)
            task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._start_fetches()

    async def _run(self, batch: Mapping[Key, asyncio.Future[Value | None]]) -> None:
        try:
            found = await self._fetch(list(batch))
        except asyncio.CancelledError:
            for answer in batch.values():
                answer.cancel()
            raise
        except Exception as error:  # every error goes to the callers
            for answer in batch.values():
                if not answer.done():
                    answer.set_exception(error)
                    # Marks it as retrieved: the caller may have been cancelled meanwhile.
                    answer.exception()
        else:
            for key, answer in batch.items():
                if not answer.done():
                    answer.set_result(found.get(key))
