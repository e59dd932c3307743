"""The release that a process makes now, and how the last one ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from core.errors import ClickstreamError, Overloaded

_BUSY_SECONDS: Final = 30

_log = logging.getLogger(__name__)


class Makings:
    """One per process and event loop: a release at a time."""

    def __init__(self) -> None:
        self._name = ""
        self._task: asyncio.Task[object] | None = None

    async def start(
        self, name: str, make: Callable[[], object], seconds: float
    ) -> dict[str, Any] | None:
        """Call `make` on a thread. None: it has ended within `seconds`; else what is told of it.

        Raises what `make` raises within that time, and Overloaded while another one runs.
        """
        if self._task is not None and not self._task.done():
            raise Overloaded(f"the release {self._name} is being made: try again", _BUSY_SECONDS)
        self._name = name
        self._task = asyncio.create_task(asyncio.to_thread(make))
        self._task.add_done_callback(_note_failure)
        done, _ = await asyncio.wait([self._task], timeout=seconds)
        if done:
            self._task.result()
            self._name = ""
            return None
        return self.told(name)

    def told(self, name: str) -> dict[str, Any] | None:
        """Of the release that is being made, or that could not be; None for any other."""
        if name != self._name or self._task is None:
            return None
        if not self._task.done():
            return being_made(name)
        error = self._task.exception()
        if error is None:
            return None
        told = str(error) if isinstance(error, ClickstreamError) else "something went wrong here"
        return {"name": name, "state": "failed", "detail": told}

    async def end(self) -> None:
        """Wait for the release that is being made; who calls has told it to stop."""
        if self._task is not None:
            await asyncio.wait([self._task])


def being_made(name: str) -> dict[str, Any]:
    """What is told of a release that is being made."""
    return {"name": name, "state": "being_made"}


def _note_failure(task: asyncio.Task[object]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        expected = isinstance(error, ClickstreamError)
        _log.warning("a release was not made: %s", error, exc_info=None if expected else error)
