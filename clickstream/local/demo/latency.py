"""How long after its acknowledgement a write can be read, measured on a sample during the run."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import httpx
import numpy as np

from clickstream.local.demo.disorder import EVENTS, SESSION, Post
from core.errors import ClickstreamError

# What this adds to a measured time at most, besides the read itself.
_POLL_SECONDS = 0.010
# A write that cannot be read after this long is told as missing by the ledger; not waited for here.
_GIVE_UP_SECONDS = 60.0
# At once: each polls, and more would load the system that they measure.
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds, of `samples` measurements."""

    samples: int
    p50_ms: float
    p99_ms: float


@dataclass(slots=True)
class Freshness:
    """Times by what was read: `GET session`, `SQL session`, `GET event`. Seconds."""

    times: dict[str, list[float]] = field(default_factory=dict)

    def add(self, what: str, seconds: float) -> None:
        self.times.setdefault(what, []).append(seconds)

    def percentiles(self) -> dict[str, Percentiles]:
        return {what: percentiles(seconds) for what, seconds in sorted(self.times.items())}


def percentiles(seconds: Sequence[float]) -> Percentiles:
    """Nearest rank: the smallest value that so many percent do not exceed."""
    p50, p99 = 1000 * np.percentile(seconds, (50, 99), method="inverted_cdf")
    return Percentiles(len(seconds), round(float(p50), 1), round(float(p99), 1))


class WriteToReadSampler:
    """Watches one in `every` acknowledged posts until it can be read."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        session_in_sql: Callable[[str], Awaitable[bool]],
        every: int,
    ) -> None:
        self.freshness = Freshness()
        self._http = http
        self._session_in_sql = session_in_sql
        self._every = every
        self._seen = 0
        self._posted: set[str] = set()
        self._watches: set[asyncio.Task[None]] = set()

    async def acknowledged(self, post: Post) -> None:
        """Called at the moment of the acknowledgement; returns at once."""
        started = time.perf_counter()
        if post.path == SESSION:
            first = post.session_id not in self._posted
            self._posted.add(post.session_id)
            if first and self._drawn():
                self._watch("GET session", started, lambda: self._get_session(post.session_id))
                self._watch("SQL session", started, lambda: self._session_in_sql(post.session_id))
        elif post.path == EVENTS and post.session_id in self._posted and self._drawn():
            event_id = post.body["events"][-1]["event_id"]
            self._watch("GET event", started, lambda: self._get_event(post.session_id, event_id))

    async def finish(self) -> None:
        """Wait for what is still watched."""
        await asyncio.gather(*self._watches)

    def _drawn(self) -> bool:
        self._seen += 1
        return self._seen % self._every == 0 and len(self._watches) < _AT_ONCE

    def _watch(self, what: str, started: float, look: Callable[[], Awaitable[bool]]) -> None:
        task = asyncio.create_task(self._until_read(what, started, look))
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    async def _until_read(
        self, what: str, started: float, look: Callable[[], Awaitable[bool]]
    ) -> None:
        while time.perf_counter() - started < _GIVE_UP_SECONDS:
            # A look that breaks off has not seen it yet. What cannot be read the ledger tells.
            with contextlib.suppress(httpx.TransportError, ClickstreamError):
                if await look():
                    self.freshness.add(what, time.perf_counter() - started)
                    return
            await asyncio.sleep(_POLL_SECONDS)

    async def _get_session(self, session_id: str) -> bool:
        return (await self._get(session_id)).is_success

    async def _get_event(self, session_id: str, event_id: str) -> bool:
        response = await self._get(session_id)
        return response.is_success and any(
            event["event_id"] == event_id for event in response.json()["events"]
        )

    async def _get(self, session_id: str) -> httpx.Response:
        return await self._http.get("/session", params={"session_id": session_id})
