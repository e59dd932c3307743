"""GET /events/waiting: which events wait for their session, and why."""

from __future__ import annotations

from typing import Final

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from starlette.requests import Request

from api import examples
from api.cancellation import while_connected
from api.events.finder import why_it_waits
from api.events.queries import WaitingRow
from api.events.reader import EventReader, WaitingPlace
from api.events.responses import WaitingEvent, WaitingEvents
from api.metrics.cursors import Place, read_cursor, write_cursor
from api.metrics.route_parameters import Cursor
from api.question_slots import takes_turns
from api.read_your_writes import ConsistentReads, wait_for_position
from core.errors import FieldError, InvalidRequest
from core.http.openapi import response_docs
from core.http.query_parameters import known_parameters_only
from core.settings import Settings

_QUESTION: Final = "/events/waiting"
"""What a cursor belongs to."""
_MOST: Final = 200
"""Of one answer: the sessions of each are looked up."""


def waiting_router(events: EventReader, reads: ConsistentReads, settings: Settings) -> APIRouter:
    """The route."""
    router = APIRouter(
        tags=["read"],
        dependencies=[
            Depends(known_parameters_only),
            Depends(wait_for_position(reads)),
            Depends(takes_turns(settings)),
        ],
    )

    @router.get(
        "/events/waiting",
        summary="List the events that wait for their session",
        responses=response_docs(WaitingEvents, examples.WAITING_EVENTS),
    )
    async def list_waiting_events(
        request: Request,
        limit: int = Query(50, ge=1, le=_MOST, description="Most events of one answer"),
        cursor: Cursor = "",
    ) -> Response:
        """The latest first. Each has a sentence that says why it waits, and what ends it."""
        after = _place_of(cursor)

        async def respond() -> Response:
            rows = await events.waiting_latest(limit + 1, after)
            page = rows[:limit]
            next = _cursor_behind(page[-1]) if len(rows) > limit else None
            stored = await events.searches(row.session_id for row in page) if page else {}
            told = [_told(row, is_stored=row.session_id in stored) for row in page]
            answer = msgspec.json.encode(WaitingEvents(told, next))
            return Response(answer, media_type="application/json")

        return await while_connected(request, respond())

    return router


def _told(row: WaitingRow, *, is_stored: bool) -> WaitingEvent:
    return WaitingEvent(
        row.session_id,
        row.event_id,
        row.object_id,
        row.event_type,
        row.created_at_ms,
        row.received_at_ms,
        is_stored,
        why_it_waits(row.session_id, is_stored=is_stored),
    )


def _cursor_behind(row: WaitingRow) -> str:
    ids = msgspec.json.encode([row.session_id, row.event_id]).decode()
    return write_cursor(_QUESTION, Place(row.received_at_ms, None, ids))


def _place_of(cursor: str) -> WaitingPlace | None:
    if (place := read_cursor(cursor, _QUESTION)) is None:
        return None
    try:
        session_id, event_id = msgspec.json.decode(place.text, type=tuple[str, str])
    except msgspec.DecodeError:
        why = "is no cursor: send back `next` of an answer"
        raise InvalidRequest([FieldError("query.cursor", why)]) from None
    return WaitingPlace(place.time or 0, session_id, event_id)
