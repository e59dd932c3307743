"""GET /export/…: every selected session, as a stream.

As NDJSON a session is a line with its events, as GET /session answers; as Parquet or Arrow sessions
and events are two tables, which ClickHouse writes itself (`tables.py`).

Memory does not grow with the export. Partition by partition, two streams in the order of session
ids, sessions and events, are merged. Each session lives in one partition, so it comes once. The
sessions' stream opens first: an event read later can then only be one more, never one too few.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse

from api import examples
from api.answers import Session
from api.assemble import assemble
from api.freshness import Certainty, caught_up
from api.merge import merge_by_session
from api.queries import (
    EXPORT_DAYS,
    EXPORT_EVENTS,
    EXPORT_EVENTS_TABLE,
    EXPORT_SESSIONS,
    EXPORT_SESSIONS_TABLE,
    EventRow,
    SessionRow,
)
from api.selection import Selected, Selection
from api.store import Store
from api.tables import ARROW, PARQUET, table
from core.errors import FieldError, InvalidRequest, SinkUnavailable
from core.http.openapi import schema_of
from core.settings import Settings

MEDIA_TYPE = "application/x-ndjson"

# Each holds two connections to ClickHouse for as long as its client reads; the library opens 20.
# With more, exports would wait for each other's second connection and all break off.
MOST_AT_ONCE = 8


class Format(StrEnum):
    """What an export can be written as."""

    NDJSON = "ndjson"
    PARQUET = "parquet"
    ARROW = "arrow"


_TABLES = {Format.PARQUET: PARQUET, Format.ARROW: ARROW}

Chosen = Annotated[
    Format | None, Query(description="Goes before the Accept header; without either: ndjson")
]
Accepted = Annotated[str, Header(alias="accept", include_in_schema=False)]


def export_router(store: Store, certainty: Certainty, settings: Settings) -> APIRouter:
    """The route. An export that breaks off ends its connection without ending the response."""
    router = APIRouter(
        prefix="/export", tags=["read"], dependencies=[Depends(caught_up(certainty))]
    )
    slots = asyncio.Semaphore(MOST_AT_ONCE)

    @router.get(
        "/sessions", summary="All sessions, as lines of JSON or as a table", responses=_responses()
    )
    async def export_sessions(
        chosen: Selected,
        format: Chosen = None,
        with_events: bool | None = Query(
            None, description="Whether each line carries its events; yes, unless told otherwise"
        ),
        accept: Accepted = "",
    ) -> StreamingResponse:
        """Each line is what GET /session answers. By default without irrelevant sessions.

        A table has the same fields without the events, which are a table of their own. A response
        that does not end properly (a broken chunked encoding) is not the whole export.
        """
        as_table = _TABLES.get(format or _accepted(accept))
        if as_table is not None:
            if with_events:
                raise InvalidRequest([FieldError("query.with_events", _EVENTS_ELSEWHERE)])
            rows = table(store, EXPORT_SESSIONS_TABLE, chosen, as_table, slots)
            return await _begun(rows, as_table.media_type)
        days = await store.rows(EXPORT_DAYS, settings.reads.query_seconds, **chosen.values())
        lines = ndjson(
            store, chosen, [row.day for row in days], slots, with_events=with_events is not False
        )
        return await _begun(lines, MEDIA_TYPE)

    @router.get(
        "/events", summary="The events of all sessions, as a table", responses=_table_responses()
    )
    async def export_events(
        chosen: Selected,
        format: Annotated[
            Format, Query(description="parquet or arrow; lines of JSON have events in sessions")
        ] = Format.PARQUET,
    ) -> StreamingResponse:
        """One row per event; `from`, `to` and `relevance` speak of its session, `position` is null
        when the session never listed the object."""
        as_table = _TABLES.get(format)
        if as_table is None:
            raise InvalidRequest([FieldError("query.format", _EVENTS_IN_LINES)])
        rows = table(store, EXPORT_EVENTS_TABLE, chosen, as_table, slots)
        return await _begun(rows, as_table.media_type)

    return router


_EVENTS_ELSEWHERE = "a table of sessions carries no events: they are /export/events"
_EVENTS_IN_LINES = "as lines of JSON, events come with their sessions: /export/sessions"


def _accepted(accept: str) -> Format:
    """The first of our types that the header names; its weights are not looked at."""
    for named in accept.split(","):
        for format, as_table in _TABLES.items():
            if named.split(";")[0].strip() == as_table.media_type:
                return format
    return Format.NDJSON


async def _begun(chunks: AsyncGenerator[bytes, None], media_type: str) -> StreamingResponse:
    # Before the answer begins, while an error can still be a problem document.
    first = await anext(chunks, b"")
    return StreamingResponse(_continued(first, chunks), media_type=media_type)


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
    content = {MEDIA_TYPE: {"schema": schema_of(Session), "example": examples.SESSION}, **_FILES}
    return {200: {"description": "One session a line, or a row", "content": content}}


def _table_responses() -> dict[int | str, dict[str, Any]]:
    return {200: {"description": "One event a row", "content": _FILES}}


_FILES = {
    format.media_type: {"schema": {"type": "string", "format": "binary"}}
    for format in _TABLES.values()
}
