"""Settles days in the background of a process that serves reads."""

from __future__ import annotations

import asyncio
import logging

from clickhouse_connect.driver.exceptions import DatabaseError

from api.settling.settler import Settler
from core.clock import Clock
from core.errors import Unavailable

_log = logging.getLogger(__name__)

# Of one thread of ClickHouse's, at most this share goes into settling.
_SHARE = 0.25


class Keeper:
    """Runs until it is stopped, or until ClickHouse says that it may not write."""

    def __init__(self, settler: Settler, clock: Clock, quiet_seconds: float) -> None:
        """0 seconds: it settles nothing."""
        self._settler = settler
        self._clock = clock
        self._quiet_seconds = quiet_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Returns at once."""
        if self._quiet_seconds:
            self._task = asyncio.create_task(self._run(), name="settle days")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._settler.close()

    async def _run(self) -> None:
        while True:
            # First, too: a system that starts has more urgent things to do.
            await asyncio.sleep(self._quiet_seconds / 2)
            try:
                await self._round()
            except Unavailable as error:
                _log.info("days are not settled now: %s", error)
            except DatabaseError as error:
                _log.warning(
                    "days are not settled by this process, and analytics compute them at every"
                    " read: %s. Run `clickstream settle` as a user who may write",
                    str(error)[:300],
                )
                return

    async def _round(self) -> None:
        for due in await self._settler.due(round(self._quiet_seconds)):
            started = self._clock.monotonic()
            if await self._settler.settle(due):
                _log.info("the facts of %s are settled", due.day)
            took = self._clock.monotonic() - started
            await asyncio.sleep(took / _SHARE - took)
        await self._settler.delete_stale()
