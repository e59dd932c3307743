"""GET /export/…: all selected sessions, as a stream that ClickHouse writes.

In NDJSON a line is a session with its events, as GET /session returns it (`lines.py`). In all other
formats sessions and events are two tables (`tables.py`). Each answer names the watermark from which
the next one can go on (`watermark.py`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse

from api import examples
from api.compression import MEDIA_TYPES, Compression, compressed
from api.covered import Covered
from api.facts_progress import FactsProgress
from api.lines import export_lines
from api.metrics.parameters import filters_of
from api.metrics.question import Filters
from api.queries import EXPORT_EVENTS_TABLE, EXPORT_REMOVALS, EXPORT_SESSIONS_TABLE
from api.read_your_writes import ConsistentReads, wait_for_position
from api.responses import Session
from api.selection import SelectionParam
from api.store import Store
from api.tables import BY_NAME, CSV, NDJSON, TableFormat, stream_table
from api.watermark import WATERMARK_HEADER, Watermarks, write_token
from core.errors import FieldError, InvalidRequest
from core.http.openapi import schema_of
from core.http.query_parameters import known_parameters_only
from core.settings import Settings
from core.user_ids import UserIds

MEDIA_TYPE = "application/x-ndjson"

# An export holds a connection to ClickHouse while its client reads; the library opens 20, and other
# reads need some of them.
MAX_EXPORTS = 8

# Two of them fit into a URL with everything else: 200 partitions.
_LONGEST_TOKEN: Final = 3_500


class Format(StrEnum):
    """The formats of an export."""

    NDJSON = "ndjson"
    PARQUET = "parquet"
    ARROW = "arrow"
    CSV = "csv"


_TABLES: Final[dict[Format, TableFormat]] = {
    format: BY_NAME[format.value] for format in Format if format is not Format.NDJSON
}
_TEXTS: Final = (NDJSON, CSV)

FormatParam = Annotated[
    Format | None, Query(description="Overrides the Accept header; ndjson without either")
]
AcceptHeader = Annotated[str, Header(alias="accept", include_in_schema=False)]
AfterParam = Annotated[
    str,
    Query(
        max_length=_LONGEST_TOKEN,
        description=f"Only what came, or was marked, since the export with this {WATERMARK_HEADER};"
        " 0 is before everything",
    ),
]
UntilParam = Annotated[
    str,
    Query(
        max_length=_LONGEST_TOKEN,
        description=f"Only what came before this {WATERMARK_HEADER}, in the same order each time",
    ),
]
CompressionParam = Annotated[
    Compression, Query(description="Of ndjson and csv: the body is a file of this kind")
]


def export_router(
    store: Store, reads: ConsistentReads, facts: FactsProgress, settings: Settings
) -> APIRouter:
    """The routes. An error in mid-stream closes the connection before the response ends."""
    router = APIRouter(
        prefix="/export",
        tags=["read"],
        dependencies=[
            Depends(known_parameters_only),
            Depends(wait_for_position(reads, facts)),
        ],
    )
    slots = asyncio.Semaphore(MAX_EXPORTS)
    watermarks = Watermarks(store, settings)
    selected = Depends(filters_of(settings.dimensions, UserIds.from_settings(settings)))

    async def cover(
        selection: SelectionParam,
        filters: Filters = selected,
        received_after: AfterParam = "",
        received_until: UntilParam = "",
    ) -> tuple[Covered, str]:
        """What is asked for, and the watermark of the answer."""
        cut, reached = await watermarks.cut(received_after, received_until)
        return Covered(selection, cut, filters), write_token(reached)

    asked = Depends(cover)

    @router.get("/sessions", summary="Export sessions", responses=_responses())
    async def export_sessions(
        asked: tuple[Covered, str] = asked,
        format: FormatParam = None,
        with_events: bool | None = Query(
            None, description="Whether each line of ndjson contains the events; true by default"
        ),
        behind: str = Query(
            "",
            max_length=512,
            description="Of ndjson at a watermark: only the lines behind this session_id, to go on "
            "with an export that was cut off",
        ),
        compression: CompressionParam = Compression.NONE,
        accept: AcceptHeader = "",
    ) -> StreamingResponse:
        """All sessions, as lines of JSON or as a table; by default without irrelevant ones.

        A line of JSON is what GET /session returns. A table has the same fields without the events:
        those are a table of their own. The export is complete only if the response ends properly,
        with the last chunk of its chunked encoding.

        With `received_after`, a session is there when it came since, was marked since, or has a new
        event: its line, which has all its events, replaces an earlier one.
        """
        covered, watermark = asked
        as_table = _TABLES.get(format or _format_of_header(accept))
        if behind and (as_table is not None or covered.cut is None):
            raise InvalidRequest([FieldError("query.behind", _NO_ORDER)])
        if as_table is not None:
            if with_events:
                raise InvalidRequest([FieldError("query.with_events", _EVENTS_ELSEWHERE)])
            rows = stream_table(
                store,
                covered.sessions_table(EXPORT_SESSIONS_TABLE),
                covered.values(),
                as_table,
                slots,
            )
            return await _respond(rows, as_table, compression, watermark)
        lines = export_lines(
            store,
            covered,
            slots,
            with_events=with_events is not False,
            seconds=settings.reads.query_seconds,
            behind=behind,
        )
        return await _respond(lines, NDJSON, compression, watermark)

    @router.get("/events", summary="Export events", responses=_table_responses("event"))
    async def export_events(
        asked: tuple[Covered, str] = asked,
        format: Annotated[
            Format,
            Query(description="parquet, arrow or csv; in ndjson, events are part of sessions"),
        ] = Format.PARQUET,
        compression: CompressionParam = Compression.NONE,
    ) -> StreamingResponse:
        """The events of all sessions, as a table with one row per event.

        All parameters but the watermarks select sessions. `position` is null when the session did
        not list the object. With `received_after`, an event is there when it or its session came
        since, or its session was marked since.
        """
        covered, watermark = asked
        as_table = _TABLES.get(format)
        if as_table is None:
            raise InvalidRequest([FieldError("query.format", _EVENTS_IN_LINES)])
        query = covered.events_table(EXPORT_EVENTS_TABLE)
        rows = stream_table(store, query, covered.values(), as_table, slots)
        return await _respond(rows, as_table, compression, watermark)

    @router.get("/removals", summary="What is no longer exported", responses=_removal_responses())
    async def export_removals(
        asked: tuple[Covered, str] = asked,
        format: Format = Format.NDJSON,
        compression: CompressionParam = Compression.NONE,
    ) -> StreamingResponse:
        """Sessions that an export before `received_after` may have had, and the next one does not:
        marked, marked back, or erased since.

        `session_hash` is the first half of the SHA-256 of the id, in hex; of an erased session
        nothing else is known. Delete these first, then replace what `/export/sessions` and
        `/export/events` have, asked with the same watermarks.
        """
        covered, watermark = asked
        if covered.cut is None or covered.cut.after is None:
            raise InvalidRequest([FieldError("query.received_after", _SINCE_WHEN)])
        as_table = _TABLES.get(format, NDJSON)
        query = covered.removals(EXPORT_REMOVALS)
        rows = stream_table(store, query, covered.values(), as_table, slots)
        return await _respond(rows, as_table, compression, watermark)

    return router


_REFUSED = re.compile(r"q=0(\.0*)?")
_EVENTS_ELSEWHERE = "a table of sessions carries no events: they are /export/events"
_NO_ORDER = "goes with ndjson, and with received_after or received_until: others have no order"
_SINCE_WHEN = "is needed: removed since when?"
_NOT_COMPRESSED = "goes with ndjson and csv: parquet and arrow are compressed inside"
_EVENTS_IN_LINES = "as lines of JSON, events come with their sessions: /export/sessions"


def _format_of_header(accept: str) -> Format:
    """The first of our media types that the header allows. Weights (`q=`) are ignored, but for 0,
    which refuses (RFC 9110, 12.4.2)."""
    for named in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in named.split(";"))
        if any(_REFUSED.fullmatch(parameter) for parameter in parameters):
            continue
        for format, as_table in _TABLES.items():
            if media_type == as_table.media_type.partition(";")[0]:
                return format
    return Format.NDJSON


async def _respond(
    pieces: AsyncGenerator[bytes, None],
    format: TableFormat,
    compression: Compression,
    watermark: str,
) -> StreamingResponse:
    if compression is not Compression.NONE and format not in _TEXTS:
        raise InvalidRequest([FieldError("query.compression", _NOT_COMPRESSED)])
    media_type = MEDIA_TYPES.get(compression, format.media_type)
    response = await start_stream(compressed(pieces, compression), media_type)
    response.headers[WATERMARK_HEADER] = watermark
    return response


async def start_stream(chunks: AsyncGenerator[bytes, None], media_type: str) -> StreamingResponse:
    """A response of these chunks; raises what the first step raises."""
    # Before the response begins: an error can still become a problem document.
    first = await anext(chunks, b"")
    # What is written while it is sent has no length, and no part of it can be asked for.
    headers = {"Accept-Ranges": "none"}
    return StreamingResponse(_rest_of_stream(first, chunks), media_type=media_type, headers=headers)


async def _rest_of_stream(
    first: bytes, rest: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        yield first
        async for lines in rest:
            yield lines


_HEADERS = {
    WATERMARK_HEADER: {
        "description": "Everything below it is in the export. Send it back as `received_after`",
        "schema": {"type": "string"},
    }
}


def _responses() -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": schema_of(Session), "example": examples.SESSION}, **_FILES}
    return {200: _documented("One session per line or row", content)}


def _table_responses(row: str) -> dict[int | str, dict[str, Any]]:
    return {200: _documented(f"One {row} per row", _FILES)}


def _removal_responses() -> dict[int | str, dict[str, Any]]:
    line = {"session_id": "s-1", "session_hash": "e3b0c44298fc1c149afbf4c8996fb924"}
    example = {**line, "reason": "irrelevant"}
    content = {MEDIA_TYPE: {"schema": {"type": "object"}, "example": example}, **_FILES}
    return {200: _documented("One session per line or row", content)}


def _documented(description: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "headers": _HEADERS, "content": content}


_FILES = {
    media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
    for media_type in (*(each.media_type for each in _TABLES.values()), *MEDIA_TYPES.values())
}
