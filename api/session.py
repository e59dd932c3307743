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
from api.answers import Session
from api.assemble import assemble
from api.coalesce import Coalesced
from api.freshness import Certainty, caught_up
from api.queries import SESSION, SESSION_EVENTS, SESSION_MARKS, EventRow, SessionRow
from api.store import Store
from core.errors import FieldError, InvalidRequest
from core.http.openapi import response_docs
from core.settings import Settings

# Queries at once, and sessions in each. Two keep two cores busy; with more, each would be smaller.
_LANES = 2
_MOST = 32


def session_router(store: Store, certainty: Certainty, settings: Settings) -> APIRouter:
    """The route; it answers for sessions marked irrelevant too, and flags them."""
    router = APIRouter(tags=["read"], dependencies=[Depends(caught_up(certainty))])
    reader = SessionReader(store, settings.reads.wait_seconds)

    @router.get(
        "/session",
        summary="A complete session with its events",
        responses=response_docs(Session, examples.SESSION),
    )
    async def get_session(
        session_id: str = Query(
            min_length=1,
            max_length=settings.limits.id_chars,
            description="Unique identifier of the session",
        ),
    ) -> Response:
        """The session as it was posted first, all its events, and whether it is irrelevant.

        404 is certain: everything posted before this request has been looked at. When that cannot
        be told in time, the answer is 503 with Retry-After. Optional fields that were not sent
        come back as null.
        """
        if not session_id.strip():
            raise InvalidRequest([FieldError("query.session_id", "must not be blank")])
        session = await read_session(reader, certainty, session_id)
        return Response(msgspec.json.encode(session), media_type="application/json")

    return router


async def read_session(reader: SessionReader, certainty: Certainty, session_id: str) -> Session:
    """The session, or SessionNotFound.

    The row first, then what belongs to it: a visible row proves that the events and marks before
    it are written, so this order can miss none of them.
    """
    row = await certainty.find(session_id, lambda: reader.row(session_id))
    belongings = await reader.belongings(session_id, row.day)
    return assemble(row, belongings.events, is_irrelevant=belongings.is_irrelevant)


@dataclass(frozen=True, slots=True)
class Belongings:
    """What hangs on a session: its events, each once, and the last word on its relevance."""

    events: Sequence[EventRow]
    is_irrelevant: bool


class _Place(NamedTuple):
    session_id: str
    day: str


class SessionReader:
    """Reads of single sessions, several in one query when they come at once."""

    def __init__(self, store: Store, seconds: float) -> None:
        """Each query may take `seconds`."""
        self._store = store
        self._seconds = seconds
        self._rows = Coalesced(self._ask_rows, lanes=_LANES, most=_MOST)
        self._belongings = Coalesced(self._ask_belongings, lanes=_LANES, most=_MOST)

    async def row(self, session_id: str) -> SessionRow | None:
        """The session as it was posted first; None when it is not there."""
        return await self._rows.get(session_id)

    async def belongings(self, session_id: str, day: str) -> Belongings:
        """Of a session whose row has been read, on the day that the row tells."""
        found = await self._belongings.get(_Place(session_id, day))
        return found or Belongings((), is_irrelevant=False)

    async def _ask_rows(self, session_ids: Sequence[str]) -> Mapping[str, SessionRow]:
        rows = await self._store.rows(SESSION, self._seconds, session_ids=session_ids)
        return {row.session_id: row for row in _lowest_version_first(rows)}

    async def _ask_belongings(self, places: Sequence[_Place]) -> Mapping[_Place, Belongings]:
        session_ids = sorted({place.session_id for place in places})
        days = sorted({place.day for place in places})
        events, marks = await asyncio.gather(
            self._store.rows(
                SESSION_EVENTS, self._seconds, session_ids=session_ids, session_days=days
            ),
            self._store.rows(SESSION_MARKS, self._seconds, session_ids=session_ids),
        )
        events_of: defaultdict[str, dict[str, EventRow]] = defaultdict(dict)
        for event in _lowest_version_first(events):
            events_of[event.session_id][event.event_id] = event
        last_word = {mark.session_id: mark.is_irrelevant for mark in _lowest_version_first(marks)}
        return {
            place: Belongings(
                tuple(events_of[place.session_id].values()), last_word.get(place.session_id, False)
            )
            for place in places
        }


class _Versioned(Protocol):
    @property
    def version(self) -> int: ...


VersionedRow = TypeVar("VersionedRow", bound=_Versioned)


def _lowest_version_first(rows: Iterable[VersionedRow]) -> list[VersionedRow]:
    """So that of several rows of one key the one that counts comes last, and stays in a dict."""
    return sorted(rows, key=lambda row: row.version)
