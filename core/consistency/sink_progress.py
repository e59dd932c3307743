"""How far the sink has read, asked once for all callers of a process.

`SinkProgress` makes many questions few: callers that ask for an end offset at the same time share
one fetch, and all that wait for the sink share one poller, which runs only while somebody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from core.errors import BrokerUnavailable
from core.kafka.offsets import CommittedOffsets, Offsets
from core.kafka.partitions import Partition

# A commit comes every flush (some 300 ms); asking every 25 ms adds little to the wait, and costs
# the broker 40 small requests a second per process, while somebody waits.
POLL_SECONDS = 0.025

_CLOSING = "this process is shutting down: ask another one"


class CommitWaits:
    """All that wait for offsets share one poller, which runs only while somebody waits.

    Waits have no timeout of their own: callers set one (`asyncio.timeout`). A cancelled wait leaves
    nothing behind.
    """

    def __init__(self, committed: CommittedOffsets, poll_seconds: float = POLL_SECONDS) -> None:
        self._committed = committed
        self._poll_seconds = poll_seconds
        self._waiters: dict[asyncio.Future[None], Mapping[Partition, int]] = {}
        self._poller: asyncio.Task[None] | None = None

    async def reached(self, targets: Mapping[Partition, int]) -> None:
        """Return once every target offset is committed. Raises what `CommittedOffsets` raises."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = targets
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll_committed())
        try:
            await waiter
        finally:
            del self._waiters[waiter]

    async def close(self) -> None:
        """Stop the poller; whoever still waits gets BrokerUnavailable."""
        await _end(self._poller)
        _fail(self._waiters, BrokerUnavailable(_CLOSING))
        await self._committed.close()

    async def _poll_committed(self) -> None:
        while self._waiters:
            with _fail_waiters_on_error(self._waiters):
                wanted = set().union(*self._waiters.values())
                committed = await self._committed.committed(wanted)
                for waiter, targets in self._waiters.items():
                    # Some began to wait during the fetch: their partitions may not be in it.
                    if all(committed.get(key, -1) >= target for key, target in targets.items()):
                        _succeed(waiter)
            await asyncio.sleep(self._poll_seconds)


class SinkProgress(CommitWaits):
    """Shares the answers of an `Offsets` among all callers of one event loop."""

    def __init__(self, offsets: Offsets, poll_seconds: float = POLL_SECONDS) -> None:
        super().__init__(offsets, poll_seconds)
        self._offsets = offsets
        self._counts: dict[str, int] = {}
        self._next: _SharedFetch | None = None
        self._fetcher: asyncio.Task[None] | None = None

    async def partitions(self, topic: str) -> int:
        """How many partitions `topic` has; asked once, as the count is never changed in place."""
        if topic not in self._counts:
            self._counts[topic] = await self._offsets.partitions(topic)
        return self._counts[topic]

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """The end offsets of `partitions` (perhaps of others too), fetched after this call began.

        Calls that are made while a fetch runs share the next fetch: the broker may have answered
        the running one before their request was made. Raises BrokerUnavailable.
        """
        mine = self._next = self._next or _SharedFetch()
        mine.partitions.update(partitions)
        if self._fetcher is None or self._fetcher.done():
            self._fetcher = asyncio.create_task(self._fetch_ends())
        # Shielded, because the fetch belongs to others too when this caller gives up.
        return await asyncio.shield(mine.answer)

    async def close(self) -> None:
        """Stop the background tasks; whoever still waits gets BrokerUnavailable."""
        await _end(self._fetcher)
        if self._next is not None:
            _fail([self._next.answer], BrokerUnavailable(_CLOSING))
            self._next = None
        await super().close()

    async def _fetch_ends(self) -> None:
        while self._next is not None:
            asked, self._next = self._next, None
            with _fail_waiters_on_error([asked.answer]):
                asked.answer.set_result(await self._offsets.ends(asked.partitions))


class _SharedFetch:
    """The questions that one fetch will answer."""

    def __init__(self) -> None:
        self.partitions: set[Partition] = set()
        self.answer: asyncio.Future[Mapping[Partition, int]] = (
            asyncio.get_running_loop().create_future()
        )


async def _end(task: asyncio.Task[None] | None) -> None:
    """Cancel it, and wait until it has ended."""
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextmanager
def _fail_waiters_on_error(futures: Collection[asyncio.Future[Any]]) -> Iterator[None]:
    """Give an error to the waiters whose question failed, so that the background task goes on."""
    try:
        yield
    except asyncio.CancelledError:
        _fail(futures, BrokerUnavailable(_CLOSING))
        raise
    except Exception as error:
        _fail(futures, error)


def _fail(futures: Collection[asyncio.Future[Any]], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
            # Marks it as seen. A caller whose time is over no longer awaits it, and asyncio would
            # log a traceback for each; those that still wait get the error all the same.
            future.exception()


def _succeed(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
