"""GET /export/…: all selected sessions, as a stream that ClickHouse writes.

In NDJSON a line is a session with its events, as GET /session returns it (`lines.py`). In Parquet
and Arrow sessions and events are two tables (`tables.py`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse

from api import examples
from api.lines import export_lines
from api.queries import EXPORT_EVENTS_TABLE, EXPORT_SESSIONS_TABLE
from api.read_your_writes import ConsistentReads, wait_for_position
from api.responses import Session
from api.selection import SelectionParam
from api.store import Store
from api.tables import ARROW, PARQUET, stream_table
from core.errors import FieldError, InvalidRequest
from core.http.openapi import schema_of
from core.http.query_parameters import known_parameters_only
from core.settings import Settings

MEDIA_TYPE = "application/x-ndjson"

# An export holds a connection to ClickHouse while its client reads; the library opens 20, and other
# reads need some of them.
MAX_EXPORTS = 8


class Format(StrEnum):
    """The formats of an export."""

    NDJSON = "ndjson"
    PARQUET = "parquet"
    ARROW = "arrow"


_TABLES = {Format.PARQUET: PARQUET, Format.ARROW: ARROW}

FormatParam = Annotated[
    Format | None, Query(description="Overrides the Accept header; ndjson without either")
]
AcceptHeader = Annotated[str, Header(alias="accept", include_in_schema=False)]


def export_router(store: Store, reads: ConsistentReads, settings: Settings) -> APIRouter:
    """The routes. An error in mid-stream closes the connection before the response ends."""
    router = APIRouter(
        prefix="/export",
        tags=["read"],
        dependencies=[
            Depends(known_parameters_only),
            Depends(wait_for_position(reads)),
        ],
    )
    slots = asyncio.Semaphore(MAX_EXPORTS)

    @router.get("/sessions", summary="Export sessions", responses=_responses())
    async def export_sessions(
        selection: SelectionParam,
        format: FormatParam = None,
        with_events: bool | None = Query(
            None, description="Whether each line of ndjson contains the events; true by default"
        ),
        accept: AcceptHeader = "",
    ) -> StreamingResponse:
        """All sessions, as lines of JSON or as a table; by default without irrelevant ones.

        A line of JSON is what GET /session returns. A table has the same fields without the events:
        those are a table of their own. The export is complete only if the response ends properly,
        with the last chunk of its chunked encoding.
        """
        as_table = _TABLES.get(format or _format_of_header(accept))
        if as_table is not None:
            if with_events:
                raise InvalidRequest([FieldError("query.with_events", _EVENTS_ELSEWHERE)])
            rows = stream_table(store, EXPORT_SESSIONS_TABLE, selection, as_table, slots)
            return await start_stream(rows, as_table.media_type)
        lines = export_lines(
            store,
            selection,
            slots,
            with_events=with_events is not False,
            seconds=settings.reads.query_seconds,
        )
        return await start_stream(lines, MEDIA_TYPE)

    @router.get("/events", summary="Export events", responses=_table_responses())
    async def export_events(
        selection: SelectionParam,
        format: Annotated[
            Format, Query(description="parquet or arrow; in ndjson, events are part of sessions")
        ] = Format.PARQUET,
    ) -> StreamingResponse:
        """The events of all sessions, as a table with one row per event.

        `from`, `to` and `relevance` select sessions. `position` is null when the session did not
        list the object.
        """
        as_table = _TABLES.get(format)
        if as_table is None:
            raise InvalidRequest([FieldError("query.format", _EVENTS_IN_LINES)])
        rows = stream_table(store, EXPORT_EVENTS_TABLE, selection, as_table, slots)
        return await start_stream(rows, as_table.media_type)

    return router


_REFUSED = re.compile(r"q=0(\.0*)?")
_EVENTS_ELSEWHERE = "a table of sessions carries no events: they are /export/events"
_EVENTS_IN_LINES = "as lines of JSON, events come with their sessions: /export/sessions"


def _format_of_header(accept: str) -> Format:
    """The first of our media types that the header allows. Weights (`q=`) are ignored, but for 0,
    which refuses (RFC 9110, 12.4.2)."""
    for named in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in named.split(";"))
        if any(_REFUSED.fullmatch(parameter) for parameter in parameters):
            continue
        for format, as_table in _TABLES.items():
            if media_type == as_table.media_type:
                return format
    return Format.NDJSON


async def start_stream(chunks: AsyncGenerator[bytes, None], media_type: str) -> StreamingResponse:
    """A response of these chunks; raises what the first step raises."""
    # Before the response begins: an error can still become a problem document.
    first = await anext(chunks, b"")
    return StreamingResponse(_rest_of_stream(first, chunks), media_type=media_type)


async def _rest_of_stream(
    first: bytes, rest: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        yield first
        async for lines in rest:
            yield lines


def _responses() -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": schema_of(Session), "example": examples.SESSION}, **_FILES}
    return {200: {"description": "One session per line or row", "content": content}}


def _table_responses() -> dict[int | str, dict[str, Any]]:
    return {200: {"description": "One event per row", "content": _FILES}}


_FILES = {
    format.media_type: {"schema": {"type": "string", "format": "binary"}}
    for format in _TABLES.values()
}
