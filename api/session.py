"""GET /session: one session, complete, or a certain 404."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Query, Response

from api import examples
from api.assemble import assemble
from api.batched_lookups import BatchedLookups
from api.queries import SESSION, SESSION_EVENTS, SESSION_MARKS, EventRow, SessionRow
from api.read_your_writes import ConsistentReads, wait_for_position
from api.responses import Session
from api.store import Store
from core.http.openapi import response_docs
from core.http.query_parameters import known_parameters_only
from core.ids import check_id
from core.settings import Settings

# Two queries at a time keep two cores busy; with more, each would answer fewer sessions.
_CONCURRENT_QUERIES = 2
_SESSIONS_A_QUERY = 32


def session_router(store: Store, reads: ConsistentReads, settings: Settings) -> APIRouter:
    """The route. It returns sessions that are marked irrelevant too, and says so."""
    router = APIRouter(
        tags=["read"],
        dependencies=[
            Depends(known_parameters_only),
            Depends(wait_for_position(reads)),
        ],
    )
    reader = SessionReader(store, settings.reads.wait_seconds)

    @router.get(
        "/session",
        summary="Get a session with its events",
        responses=response_docs(Session, examples.SESSION),
    )
    async def get_session(
        session_id: str = Query(
            min_length=1, description="Unique identifier of the session, at most 512 bytes"
        ),
    ) -> Response:
        """The session as it was first posted, all its events, and whether it is irrelevant.

        A 404 is certain: no session with this id was posted before this request. When that cannot
        be established in time, the response is 503 with Retry-After. Optional fields that were not
        sent are null.
        """
        check_id("query.session_id", session_id)
        session = await read_session(reader, reads, session_id)
        return Response(msgspec.json.encode(session), media_type="application/json")

    return router


async def read_session(reader: SessionReader, reads: ConsistentReads, session_id: str) -> Session:
    """The session. Raises SessionNotFound.

    The row is read first: once it is visible, the events and marks that came before it are written
    too, so the reads after it miss none of them.
    """
    row = await reads.find(session_id, lambda: reader.row(session_id))
    details = await reader.details(row)
    return assemble(row, details.events, is_irrelevant=details.is_irrelevant)


@dataclass(frozen=True, slots=True)
class SessionDetails:
    """The events of a session, each once, and whether it is marked irrelevant now."""

    events: Sequence[EventRow]
    is_irrelevant: bool


_HOUR_MS = 3_600_000


class _SessionLocation(NamedTuple):
    session_id: str
    day: str
    hour: int


class SessionReader:
    """Reads single sessions. Simultaneous reads share queries."""

    def __init__(self, store: Store, seconds: float) -> None:
        """`seconds` is the timeout of each query."""
        self._store = store
        self._seconds = seconds
        self._rows = BatchedLookups(
            self._fetch_rows, concurrency=_CONCURRENT_QUERIES, batch_size=_SESSIONS_A_QUERY
        )
        self._details = BatchedLookups(
            self._fetch_details, concurrency=_CONCURRENT_QUERIES, batch_size=_SESSIONS_A_QUERY
        )

    async def row(self, session_id: str) -> SessionRow | None:
        """The session as it was first posted, without its events; None when it is not stored."""
        return await self._rows.get(session_id)

    async def details(self, row: SessionRow) -> SessionDetails:
        """Events and relevance of a session, whose row was read first."""
        hour = int(row.created_at_ms / _HOUR_MS)  # towards 0, as `events.session_hour` has it
        found = await self._details.get(_SessionLocation(row.session_id, row.day, hour))
        return found or SessionDetails((), is_irrelevant=False)

    async def _fetch_rows(self, session_ids: Sequence[str]) -> Mapping[str, SessionRow]:
        rows = await self._store.rows(SESSION, self._seconds, session_ids=session_ids)
        return {row.session_id: row for row in _by_version_ascending(rows)}

    async def _fetch_details(
        self, locations: Sequence[_SessionLocation]
    ) -> Mapping[_SessionLocation, SessionDetails]:
        session_ids = sorted({location.session_id for location in locations})
        days = sorted({location.day for location in locations})
        hours = sorted({location.hour for location in locations})
        events, marks = await asyncio.gather(
            self._store.rows(
                SESSION_EVENTS,
                self._seconds,
                session_ids=session_ids,
                session_days=days,
                session_hours=hours,
            ),
            self._store.rows(SESSION_MARKS, self._seconds, session_ids=session_ids),
        )
        events_of: defaultdict[str, dict[str, EventRow]] = defaultdict(dict)
        for event in _by_version_ascending(events):
            events_of[event.session_id][event.event_id] = event
        is_irrelevant = {
            mark.session_id: mark.is_irrelevant for mark in _by_version_ascending(marks)
        }
        return {
            location: SessionDetails(
                tuple(events_of[location.session_id].values()),
                is_irrelevant.get(location.session_id, False),
            )
            for location in locations
        }


class _Versioned(Protocol):
    @property
    def version(self) -> int: ...


VersionedRow = TypeVar("VersionedRow", bound=_Versioned)


def _by_version_ascending(rows: Iterable[VersionedRow]) -> list[VersionedRow]:
    """The rows, lowest version first: in a dict, the row in force replaces the others."""
    return sorted(rows, key=lambda row: row.version)
