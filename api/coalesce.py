"""Many single questions → few queries: what is asked while a query is under way goes into the next.

A point read costs ClickHouse mostly a fixed amount: parsing, planning over every day, answering. A
reader alone waits for nobody. Sixteen at once are answered by two queries instead of sixteen.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Coalesced(Generic[Key, Value]):
    """`ask` answers several keys at once; a key that it leaves out has the answer None.

    The query that answers a `get` always begins after it was called: whatever had been written then
    is seen. `lanes` queries are under way at most, each of `most` keys at most.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Value]]],
        *,
        lanes: int,
        most: int,
    ) -> None:
        self._ask = ask
        self._lanes = lanes
        self._most = most
        self._waiting: OrderedDict[Key, asyncio.Future[Value | None]] = OrderedDict()
        self._under_way: set[asyncio.Task[None]] = set()

    async def get(self, key: Key) -> Value | None:
        """What is known of this key. Raises what `ask` raised."""
        answer = self._waiting.get(key)
        if answer is None:
            answer = asyncio.get_running_loop().create_future()
            self._waiting[key] = answer
            self._begin()
        # Shielded: others may wait for the same answer.
        return await asyncio.shield(answer)

    def _begin(self) -> None:
        while self._waiting and len(self._under_way) < self._lanes:
            count = min(self._most, len(self._waiting))
            batch = dict(self._waiting.popitem(last=False) for _ in range(count))
            task = asyncio.create_task(self._run(batch))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._begin()

    async def _run(self, batch: Mapping[Key, asyncio.Future[Value | None]]) -> None:
        try:
            found = await self._ask(list(batch))
        except asyncio.CancelledError:
            for answer in batch.values():
                answer.cancel()
            raise
        except Exception as error:  # whatever it is, it is for those who asked
            for answer in batch.values():
                if not answer.done():
                    answer.set_exception(error)
                    # Marks it as seen: a caller may have gone away meanwhile.
                    answer.exception()
        else:
            for key, answer in batch.items():
                if not answer.done():
                    answer.set_result(found.get(key))
