"""Read a run back: through the public API, and from ClickHouse by SQL."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
from clickhouse_connect.driver.asyncclient import AsyncClient

from clickstream.demo.ledger import EventKey, Found
from clickstream.demo.traffic import Json
from clickstream.errors import ClickstreamError, SinkBehind
from clickstream.position import HEADER, Position

# The sink is given this long to reach the last write, after which something is wrong.
_CATCH_UP_SECONDS = 120.0
# A header holds 64 positions at most; three topics of eight partitions need 24.
_POSITIONS_PER_READ = 60

_SESSIONS = "SELECT session_id FROM sessions FINAL WHERE startsWith(session_id, {run:String})"
_EVENTS = """
SELECT session_id, event_id FROM events FINAL WHERE startsWith(session_id, {run:String})
"""
_UNJOINED = """
SELECT session_id, event_id FROM unjoined_events FINAL
WHERE startsWith(session_id, {run:String})
    AND session_id NOT IN (SELECT session_id FROM sessions)
"""
_MARKS = """
SELECT session_id FROM session_marks FINAL
WHERE startsWith(session_id, {run:String}) AND is_irrelevant
"""
_RELEVANT = """
SELECT
    (SELECT count() FROM relevant_sessions WHERE startsWith(session_id, {run:String})),
    (SELECT count() FROM relevant_events WHERE startsWith(session_id, {run:String}))
"""
_ONE = "SELECT count() FROM sessions WHERE session_id = {session_id:String}"


@dataclass(frozen=True, slots=True)
class Relevant:
    """Sessions that count, and their events."""

    sessions: int
    events: int


class ApiReader:
    """The public read API."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def catch_up(self, positions: Sequence[Position]) -> None:
        """Return once every write can be read. SinkBehind after two minutes."""
        try:
            async with asyncio.timeout(_CATCH_UP_SECONDS):
                for n in range(0, len(positions), _POSITIONS_PER_READ):
                    some = positions[n : n + _POSITIONS_PER_READ]
                    await self._reach({HEADER: ", ".join(map(str, some))})
        except TimeoutError:
            raise SinkBehind(
                f"the sink has not caught up in {_CATCH_UP_SECONDS:.0f} s: see `clickstream doctor`"
            ) from None

    async def read_all(self, run_id: str, start_ms: int, end_ms: int) -> Found:
        """Every session of the run with its events, from the export."""
        sessions: Counter[str] = Counter()
        events: Counter[EventKey] = Counter()
        contents: dict[str, Json] = {}
        question: dict[str, str | int] = {"from": start_ms, "to": end_ms, "relevance": "include"}
        async with self._client.stream("GET", "/export/sessions", params=question) as answer:
            await _accept(answer)
            async for line in answer.aiter_lines():
                content: Json = msgspec.json.decode(line)
                session_id = content["session_id"]
                if not session_id.startswith(run_id):
                    continue
                sessions[session_id] += 1
                events.update((session_id, event["event_id"]) for event in content["events"])
                contents[session_id] = content
        irrelevant = frozenset(key for key, read in contents.items() if read["is_irrelevant"])
        return Found(sessions, events, irrelevant, contents=contents)

    async def session(self, session_id: str) -> Json:
        """One session as GET answers it."""
        answer = await self._client.get("/session", params={"session_id": session_id})
        await _accept(answer)
        body: Json = answer.json()
        return body

    async def relevant(self, start_ms: int, end_ms: int) -> Relevant:
        """What analytics counts in the run's stretch of time."""
        question = {"from": start_ms, "to": end_ms}
        answer = await self._client.get("/analytics/overview", params=question)
        await _accept(answer)
        counted = answer.json()
        return Relevant(counted["sessions"], counted["events"])

    async def _reach(self, header: dict[str, str]) -> None:
        """The read waits by itself, as long as the server lets one; then it is asked again."""
        while True:
            answer = await self._client.get("/analytics/overview", headers=header)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return await _accept(answer)
            await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))


async def _accept(answer: httpx.Response) -> None:
    """ClickstreamError with what the API said, unless that is a success."""
    if not answer.is_success:
        said = (await answer.aread()).decode(errors="replace")
        raise ClickstreamError(f"GET {answer.url.path} answers {answer.status_code}: {said[:500]}")


class SqlReader:
    """ClickHouse, as a data engineer would ask it. Values are bound parameters."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def read_all(self, run_id: str) -> Found:
        """Every key of the run, as often as a reader of the tables sees it."""
        return Found(
            sessions=Counter(key for (key,) in await self._rows(_SESSIONS, run=run_id)),
            joined=Counter((s, e) for s, e in await self._rows(_EVENTS, run=run_id)),
            unjoined=Counter((s, e) for s, e in await self._rows(_UNJOINED, run=run_id)),
            irrelevant=frozenset(key for (key,) in await self._rows(_MARKS, run=run_id)),
        )

    async def relevant(self, run_id: str) -> Relevant:
        """What the views for data engineers count."""
        ((sessions, events),) = await self._rows(_RELEVANT, run=run_id)
        return Relevant(sessions, events)

    async def has_session(self, session_id: str) -> bool:
        ((count,),) = await self._rows(_ONE, session_id=session_id)
        return bool(count)

    async def _rows(self, query: str, **values: str) -> Sequence[Sequence[Any]]:
        return (await self._client.query(query, parameters=values)).result_rows
