"""GET /events/lookup: what became of one event."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from msgspec.structs import replace
from starlette.requests import Request

from api import examples
from api.cancellation import while_connected
from api.events.finder import EventFinder
from api.events.reader import EventId, EventReader
from api.events.responses import EventLookup, EventMatches
from api.question_slots import QuestionSlots
from api.read_your_writes import ConsistentReads, wait_for_position
from core.clock import Clock
from core.errors import FieldError, InvalidRequest
from core.http.openapi import schema_of
from core.http.query_parameters import known_parameters_only
from core.http.scope_keys import CALLER, SEES_POSITIONS
from core.ids import check_id
from core.settings import Settings

_USUAL_DAYS: Final = 7
_MOST_DAYS: Final = 400
_DAY_MS: Final = 86_400_000


def lookup_router(
    events: EventReader, reads: ConsistentReads, settings: Settings, clock: Clock
) -> APIRouter:
    """The route. Look-ups without a session id, which read much, take turns as analytics do."""
    router = APIRouter(
        tags=["read"],
        dependencies=[Depends(known_parameters_only), Depends(wait_for_position(reads))],
    )
    finder = EventFinder(events, reads)
    slots = QuestionSlots(settings.reads.questions_per_key, settings.reads.query_seconds)

    @router.get("/events/lookup", summary="Say what became of an event", responses=_response_docs())
    async def look_up_event(
        request: Request,
        session_id: str | None = Query(
            None,
            min_length=1,
            description="The session id that it was posted with. Without it, every event of the "
            "event id is told",
        ),
        event_id: str = Query(min_length=1, description="Its own id"),
        days: int | None = Query(
            None,
            ge=1,
            le=_MOST_DAYS,
            description="Without a session id: how many days back searches and dead letters are "
            f"looked through; {_USUAL_DAYS} when it is left out. Waiting events are all looked "
            "through",
        ),
    ) -> Response:
        """`joined`: it is stored with its session. `waiting`: it is stored, and its session has not
        come. `dead_letter`: it could not be processed. `never_seen`: none of these.

        All but `joined` are told only once everything that was acknowledged before this request has
        been processed. When that cannot be established in time, the response is 503 with
        Retry-After.

        Without `session_id` the answer is a list: every event of this id, with its session id, that
        is stored with a search of the last days, waits, or was refused.
        """
        check_id("query.event_id", event_id)
        sees_positions = request.scope.get(SEES_POSITIONS, True)
        if session_id is None:
            since_ms = clock.now_ms() - (days or _USUAL_DAYS) * _DAY_MS

            async def respond() -> Response:
                async with slots.held(request.scope.get(CALLER)):
                    found = await finder.find_named(event_id, since_ms)
                if sees_positions:
                    return _json(found)
                hidden = [_without_position(each) for each in found.matches]
                return _json(replace(found, matches=hidden))

            return await while_connected(request, respond())
        check_id("query.session_id", session_id)
        if days is not None:
            why = "is for a look-up without session_id: leave one of them out"
            raise InvalidRequest([FieldError("query.days", why)])
        found = await finder.find(EventId(session_id, event_id))
        return _json(found if sees_positions else _without_position(found))

    return router


def _json(told: EventLookup | EventMatches) -> Response:
    return Response(msgspec.json.encode(told), media_type="application/json")


def _without_position(found: EventLookup) -> EventLookup:
    """The same for a caller who is told no offsets of Kafka."""
    if found.dead_letter is None:
        return found
    hidden = replace(found.dead_letter, name=None, partition=None, offset=None)
    return replace(found, dead_letter=hidden)


def _response_docs() -> dict[int | str, dict[str, Any]]:
    shapes = [schema_of(EventLookup), schema_of(EventMatches)]
    told = {
        "with both ids": {"value": examples.EVENT_LOOKUP},
        "with the event id alone": {"value": examples.EVENT_MATCHES},
    }
    content = {"application/json": {"schema": {"oneOf": shapes}, "examples": told}}
    return {200: {"description": "What became of it", "content": content}}
