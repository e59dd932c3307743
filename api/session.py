"""GET /session: one session, complete, or a certain 404."""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import APIRouter, Depends, Query, Response

from api import examples
from api.answers import Session
from api.assemble import assemble
from api.freshness import Certainty, caught_up
from api.queries import SESSION, SESSION_EVENTS, SESSION_MARK, SessionRow
from api.store import Store
from clickstream.errors import FieldError, InvalidRequest
from clickstream.http.openapi import answers
from clickstream.settings import Settings


def session_router(store: Store, certainty: Certainty, settings: Settings) -> APIRouter:
    """The route; it answers for sessions marked irrelevant too, and flags them."""
    router = APIRouter(tags=["read"], dependencies=[Depends(caught_up(certainty))])

    @router.get(
        "/session",
        summary="A complete session with its events",
        responses=answers(Session, examples.SESSION),
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
        session = await read_session(store, certainty, session_id, settings.reads.wait_seconds)
        return Response(msgspec.json.encode(session), media_type="application/json")

    return router


async def read_session(
    store: Store, certainty: Certainty, session_id: str, seconds: float
) -> Session:
    """The session, or SessionNotFound; each query may take `seconds`.

    The row first, then what belongs to it: a visible row proves that the events and marks before
    it are written, so this order can miss none of them.
    """

    async def look() -> SessionRow | None:
        rows = await store.rows(SESSION, seconds, session_id=session_id)
        return rows[0] if rows else None

    row = await certainty.find(session_id, look)
    events, marks = await asyncio.gather(
        store.rows(SESSION_EVENTS, seconds, session_id=session_id, session_day=row.day),
        store.rows(SESSION_MARK, seconds, session_id=session_id),
    )
    return assemble(row, events, is_irrelevant=any(mark.is_irrelevant for mark in marks))
