"""Wait for events that were acknowledged, and note when they can be read."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import httpx
from clickhouse_connect.driver.asyncclient import AsyncClient

# Between two questions, seconds, or so many times what the last one took: every question costs CPU
# that the pipeline needs, most of all where there is none left. A measured time is longer by the
# read itself and by this at most, never shorter.
_POLL_SECONDS = 0.025
_POLL_SHARE = 4

# One request in so many is watched, by one of its events.
_EVERY_SQL = 50
_EVERY_GET = 500

# An event that cannot be read after this long is told by the ledger check.
_GIVE_UP_SECONDS = 30.0

# By the key, as those do who ask often: without the hash each question reads the whole table.
_SEEN = """
SELECT session_id, event_id FROM events
PREWHERE session_hash IN arrayMap(each -> sipHash64(each.1), {wanted:Array(Tuple(String, String))})
WHERE (session_id, event_id) IN {wanted:Array(Tuple(String, String))}
"""

_FACTS_POLL_SECONDS = 0.25
_COUNTED = """
SELECT session_id, max(events) FROM session_facts
PREWHERE session_hash IN arrayMap(each -> sipHash64(each), {wanted:Array(String)})
WHERE session_id IN {wanted:Array(String)} GROUP BY session_id
"""


class SqlReader:
    """Asks ClickHouse for all that is out at once."""

    def __init__(self, client: AsyncClient) -> None:
        self.times: list[float] = []
        self._client = client
        self._out: dict[tuple[str, str], float] = {}
        self._seen = 0
        self._over = False
        self._asking = asyncio.create_task(self._ask())

    def watch(self, session_id: str, event_id: str) -> None:
        """It was acknowledged just now."""
        self._seen += 1
        if self._seen % _EVERY_SQL == 0:
            self._out[session_id, event_id] = time.perf_counter()

    async def finish(self) -> None:
        """Return once nothing is out any more."""
        self._over = True
        await asyncio.wait_for(self._asking, _GIVE_UP_SECONDS)

    async def _ask(self) -> None:
        while self._out or not self._over:
            asked = time.perf_counter()
            if self._out:
                wanted = list(self._out)
                found = await self._client.query(_SEEN, parameters={"wanted": wanted})
                now = time.perf_counter()
                for key in {(row[0], row[1]) for row in found.result_rows}:
                    self.times.append(now - self._out.pop(key))
            await _pause_since(asked)


class FactsReader:
    """Asks ClickHouse how many events the facts of the sampled sessions count."""

    def __init__(self, client: AsyncClient, events: int) -> None:
        """Each request about a session has so many of its events."""
        self.times: list[float] = []
        self._client = client
        self._events = events
        self._posted: Counter[str] = Counter()
        self._out: dict[tuple[str, int], float] = {}
        self._seen = 0
        self._over = False
        self._asking = asyncio.create_task(self._ask())

    def acknowledged(self, session_id: str, is_warm: bool) -> None:
        """A request about it was, just now; only what comes warm is watched."""
        self._posted[session_id] += self._events
        self._seen += 1
        if is_warm and self._seen % _EVERY_GET == 0:
            self._out[session_id, self._posted[session_id]] = time.perf_counter()

    async def finish(self) -> None:
        """Return once nothing is out any more."""
        self._over = True
        await asyncio.wait_for(self._asking, _GIVE_UP_SECONDS)

    async def _ask(self) -> None:
        while self._out or not self._over:
            if self._out:
                wanted = sorted({session_id for session_id, _ in self._out})
                found = await self._client.query(_COUNTED, parameters={"wanted": wanted})
                now = time.perf_counter()
                counted = {str(row[0]): int(row[1]) for row in found.result_rows}
                for key in [each for each in self._out if counted.get(each[0], 0) >= each[1]]:
                    self.times.append(now - self._out.pop(key))
            await asyncio.sleep(_FACTS_POLL_SECONDS)


class GetReader:
    """Asks the read API for the session of each sample."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.times: list[float] = []
        self._http = http
        self._seen = 0
        self._asking: set[asyncio.Task[None]] = set()

    def watch(self, session_id: str, event_id: str) -> None:
        """It was acknowledged just now."""
        self._seen += 1
        if self._seen % _EVERY_GET == 0:
            self._asking.add(asyncio.create_task(self._ask(session_id, event_id)))

    async def finish(self) -> None:
        """Return once nothing is out any more."""
        await asyncio.wait_for(asyncio.gather(*self._asking), _GIVE_UP_SECONDS)

    async def _ask(self, session_id: str, event_id: str) -> None:
        started = time.perf_counter()
        while True:
            asked = time.perf_counter()
            response = await self._http.get("/session", params={"session_id": session_id})
            if response.is_success and event_id.encode() in response.content:
                self.times.append(time.perf_counter() - started)
                return
            await _pause_since(asked)


async def _pause_since(asked: float) -> None:
    await asyncio.sleep(max(_POLL_SECONDS, _POLL_SHARE * (time.perf_counter() - asked)))
