"""GET /export/sessions: every selected session, one JSON object a line, as a stream.

Memory does not grow with the export. Partition by partition, two streams in the order of session
ids, sessions and events, are merged. Each session lives in one partition, so it comes once. The
sessions' stream opens first: an event read later can then only be one more, never one too few.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from api import examples
from api.answers import Session
from api.assemble import assemble
from api.freshness import Certainty, caught_up
from api.merge import merge_by_session
from api.queries import EXPORT_DAYS, EXPORT_EVENTS, EXPORT_SESSIONS, EventRow, SessionRow
from api.selection import Selected, Selection
from api.store import Store
from clickstream.errors import SinkUnavailable
from clickstream.http.openapi import schema_of
from clickstream.settings import Settings

MEDIA_TYPE = "application/x-ndjson"

# Each holds two connections to ClickHouse for as long as its client reads; the library opens 20.
# With more, exports would wait for each other's second connection and all break off.
MOST_AT_ONCE = 8


def export_router(store: Store, certainty: Certainty, settings: Settings) -> APIRouter:
    """The route. An export that breaks off ends its connection without ending the response."""
    router = APIRouter(
        prefix="/export", tags=["read"], dependencies=[Depends(caught_up(certainty))]
    )
    slots = asyncio.Semaphore(MOST_AT_ONCE)

    @router.get("/sessions", summary="All sessions, one JSON object a line", responses=_responses())
    async def export_sessions(
        chosen: Selected,
        with_events: bool = Query(True, description="Whether each session carries its events"),
    ) -> StreamingResponse:
        """Each line is what GET /session answers. By default without irrelevant sessions.

        A response that does not end properly (a broken chunked encoding) is not the whole export.
        """
        days = await store.rows(EXPORT_DAYS, settings.reads.query_seconds, **chosen.values())
        lines = ndjson(store, chosen, [row.day for row in days], slots, with_events=with_events)
        # Before the answer begins, while an error can still be a problem document.
        first = await anext(lines, b"")
        return StreamingResponse(_continued(first, lines), media_type=MEDIA_TYPE)

    return router


async def ndjson(
    store: Store,
    chosen: Selection,
    days: Sequence[str],
    slots: asyncio.Semaphore,
    *,
    with_events: bool,
) -> AsyncGenerator[bytes, None]:
    """The lines of these partitions, some at a time.

    Raises SinkUnavailable, at the first step when no slot is free, and at any step when ClickHouse
    stops answering.
    """
    if slots.locked():
        raise SinkUnavailable("as many exports as can be are running: try later", retry_after=30)
    encoder = msgspec.json.Encoder()
    async with slots:
        for day in days:
            async with aclosing(_sessions_of(store, chosen, day, with_events)) as blocks:
                async for sessions in blocks:
                    yield encoder.encode_lines(sessions)
                    await asyncio.sleep(0)  # other requests' turn; a fast client never blocks us


async def _sessions_of(
    store: Store, chosen: Selection, day: str, with_events: bool
) -> AsyncGenerator[list[Session], None]:
    """One partition's sessions, in the order of their ids."""
    values = {**chosen.values(), "session_day": day}
    async with AsyncExitStack() as open_streams:
        sessions = await open_streams.enter_async_context(store.stream(EXPORT_SESSIONS, **values))
        if with_events:
            events = await open_streams.enter_async_context(store.stream(EXPORT_EVENTS, **values))
            async for merged in merge_by_session(sessions, events):
                yield [_assembled(row, its_events) for row, its_events in merged]
        else:
            async for block in sessions:
                yield [_assembled(row, None) for row in block]


def _assembled(row: SessionRow, events: list[EventRow] | None) -> Session:
    return assemble(row, events, is_irrelevant=row.is_irrelevant)


async def _continued(
    first: bytes, rest: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        yield first
        async for lines in rest:
            yield lines


def _responses() -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": schema_of(Session), "example": examples.SESSION}}
    return {200: {"description": "One session a line", "content": content}}
