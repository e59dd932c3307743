"""Read a run back: through the public API, and from ClickHouse by SQL."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
import msgspec
from clickhouse_connect.driver.asyncclient import AsyncClient

from clickstream.local.demo.api_client import Parameters, refusal, stream_lines
from clickstream.local.demo.reconciliation import EventKey, ObservedState
from clickstream.local.demo.simulator import Json
from core.consistency.position import POSITION_HEADER, Position
from core.errors import SinkBehind

# The sink is given this long to reach the last write, after which something is wrong.
_READABLE_WITHIN_SECONDS = 120.0
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
    """The public read API. Raises ClickstreamError for an answer that is no success."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def wait_until_readable(self, positions: Sequence[Position]) -> None:
        """Return once every write can be read. SinkBehind after two minutes."""
        try:
            async with asyncio.timeout(_READABLE_WITHIN_SECONDS):
                for n in range(0, len(positions), _POSITIONS_PER_READ):
                    some = positions[n : n + _POSITIONS_PER_READ]
                    await self._wait_for_positions({POSITION_HEADER: ", ".join(map(str, some))})
        except TimeoutError:
            raise SinkBehind(
                f"not every write can be read after {_READABLE_WITHIN_SECONDS:.0f} s;"
                " see `clickstream doctor`"
            ) from None

    async def read_all(self, run_id: str, start_ms: int, end_ms: int) -> ObservedState:
        """Every session of the run with its events, from the export."""
        sessions: Counter[str] = Counter()
        events: Counter[EventKey] = Counter()
        contents: dict[str, Json] = {}
        question: Parameters = {"from": start_ms, "to": end_ms, "relevance": "include"}
        async for line in stream_lines(self._http, "/export/sessions", question):
            content: Json = msgspec.json.decode(line)
            session_id = content["session_id"]
            if not session_id.startswith(run_id):
                continue
            sessions[session_id] += 1
            events.update((session_id, event["event_id"]) for event in content["events"])
            contents[session_id] = content
        irrelevant = frozenset(key for key, read in contents.items() if read["is_irrelevant"])
        return ObservedState(sessions, events, irrelevant, contents=contents)

    async def relevant(self, start_ms: int, end_ms: int) -> Relevant:
        """What analytics counts in the run's stretch of time."""
        counted = await self._get("/analytics/overview", {"from": start_ms, "to": end_ms})
        return Relevant(counted["sessions"], counted["events"])

    async def _get(self, path: str, params: Parameters) -> Any:
        response = await self._http.get(path, params=dict(params))
        if not response.is_success:
            raise refusal(response)
        return response.json()

    async def _wait_for_positions(self, header: dict[str, str]) -> None:
        """The read waits by itself, as long as the server allows; then it is asked again."""
        while not (
            response := await self._http.get("/analytics/overview", headers=header)
        ).is_success:
            if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise refusal(response)
            await asyncio.sleep(float(response.headers.get("Retry-After", 1)))


class SqlReader:
    """ClickHouse, as a data engineer would ask it. Values are bound parameters."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def read_all(self, run_id: str) -> ObservedState:
        """Every key of the run, as often as a reader of the tables sees it."""
        return ObservedState(
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
