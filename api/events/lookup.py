"""GET /events/lookup: what became of one event."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from msgspec.structs import replace
from starlette.requests import Request

from api import examples
from api.events.queries import DeadLetterRow, JoinedRow, WaitingRow
from api.events.reader import EventId, EventReader
from api.events.responses import (
    EventContent,
    EventLookup,
    JoinedTo,
    RefusedAs,
    State,
    WaitingFor,
)
from api.read_your_writes import ConsistentReads, wait_for_position
from core.http.openapi import response_docs
from core.http.query_parameters import known_parameters_only
from core.http.scope_keys import SEES_POSITIONS
from core.ids import check_id
from schemas.dead_letters import name_of

_JOINED: Final = "it is stored with its session"
_NEVER_SEEN: Final = (
    "nothing came under these two ids, or it was deleted since: erased, or older than what is kept."
    " Was it sent with another session_id? Then it waits under that one"
)
_WAITS: Final = "its session has not come: it is joined as soon as that is posted"
_WILL_BE_JOINED: Final = (
    "its session is stored, and a worker's look-up missed it: the clean-up of the workers joins it,"
    " within ten minutes"
)
_REFUSED: Final = "it could not be processed: docs/dead-letters.md says what to do for each reason"


def lookup_router(events: EventReader, reads: ConsistentReads) -> APIRouter:
    """The route."""
    router = APIRouter(
        tags=["read"],
        dependencies=[Depends(known_parameters_only), Depends(wait_for_position(reads))],
    )
    finder = EventFinder(events, reads)

    @router.get(
        "/events/lookup",
        summary="Say what became of an event",
        responses=response_docs(EventLookup, examples.EVENT_LOOKUP),
    )
    async def look_up_event(
        request: Request,
        session_id: str = Query(min_length=1, description="The session id that it was posted with"),
        event_id: str = Query(min_length=1, description="Its own id"),
    ) -> Response:
        """`joined`: it is stored with its session. `waiting`: it is stored, and its session has not
        come. `dead_letter`: it could not be processed. `never_seen`: none of these.

        All but `joined` are told only once everything that was acknowledged before this request has
        been processed. When that cannot be established in time, the response is 503 with
        Retry-After.
        """
        check_id("query.session_id", session_id)
        check_id("query.event_id", event_id)
        found = await finder.find(EventId(session_id, event_id))
        if not request.scope.get(SEES_POSITIONS, True):
            found = _without_position(found)
        return Response(msgspec.json.encode(found), media_type="application/json")

    return router


class EventFinder:
    """Looks for an event everywhere where it may be."""

    def __init__(self, events: EventReader, reads: ConsistentReads) -> None:
        self._events = events
        self._reads = reads

    async def find(self, id_: EventId) -> EventLookup:
        """What became of it. Raises Unavailable when that is not certain.

        A joined event stays joined, so it is looked for first, without a wait. Events move from the
        waiting ones to the joined ones: looked for in this order, an event is met in one of them.
        """
        if (joined := await self._joined(id_)) is not None:
            return joined
        await self._reads.wait_for_events(id_.session_id)
        waiting, refused = await asyncio.gather(
            self._events.waiting([id_]), self._events.dead_letter(id_)
        )
        if (joined := await self._joined(id_)) is not None:
            return joined
        if id_ in waiting:
            return await self._waiting(id_, waiting[id_])
        if refused is not None:
            return _state(id_, "dead_letter", _REFUSED, dead_letter=_refusal(refused))
        return _state(id_, "never_seen", _NEVER_SEEN)

    async def _joined(self, id_: EventId) -> EventLookup | None:
        found = (await self._events.joined([id_])).get(id_)
        if found is None:
            return None
        event, search = found
        details = JoinedTo(
            position=event.position or None,
            results=search.results,
            search_query=search.search_query,
            session_created_at=search.created_at_ms,
        )
        return _state(id_, "joined", _JOINED, event=_content(event), joined=details)

    async def _waiting(self, id_: EventId, row: WaitingRow) -> EventLookup:
        count, searches = await asyncio.gather(
            self._events.count_waiting(id_.session_id), self._events.searches([id_.session_id])
        )
        details = WaitingFor(
            since=row.received_at_ms,
            events_waiting=max(1, count),  # some may have been joined since the row was read
            session_is_stored=bool(searches),
        )
        meaning = _WILL_BE_JOINED if searches else _WAITS
        return _state(id_, "waiting", meaning, event=_content(row), waiting=details)


def _state(
    id_: EventId,
    state: State,
    meaning: str,
    *,
    event: EventContent | None = None,
    joined: JoinedTo | None = None,
    waiting: WaitingFor | None = None,
    dead_letter: RefusedAs | None = None,
) -> EventLookup:
    return EventLookup(*id_, state, meaning, event, joined, waiting, dead_letter)


def _content(row: JoinedRow | WaitingRow) -> EventContent:
    return EventContent(row.object_id, row.event_type, row.created_at_ms, row.received_at_ms)


def _refusal(row: DeadLetterRow) -> RefusedAs:
    return RefusedAs(
        name=name_of(row.topic, row.first_partition, row.first_offset, row.first_epoch),
        partition=row.first_partition,
        offset=row.first_offset,
        attempt=row.attempt,
        reason=row.reason,
        error=row.error,
        failed_at=row.failed_at_ms,
    )


def _without_position(found: EventLookup) -> EventLookup:
    """The same for a caller who is told no offsets of Kafka."""
    if found.dead_letter is None:
        return found
    hidden = replace(found.dead_letter, name=None, partition=None, offset=None)
    return replace(found, dead_letter=hidden)
