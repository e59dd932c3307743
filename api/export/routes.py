"""GET /export/…: all selected sessions, as a stream that ClickHouse writes.

In NDJSON a line is a session with its events, as GET /session returns it (`api/lines.py`). In all
other formats sessions and events are two tables (`api/tables.py`). Each answer names the watermark
from which the next one can go on (`api/watermark.py`).
"""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from api.compression import Compression
from api.export import documentation
from api.export.answers import Exports, no_order
from api.export.parameters import (
    TABLES,
    AcceptHeader,
    Asked,
    BehindParam,
    CompressionParam,
    ExportFormat,
    FormatParam,
    TableParam,
    WithEvents,
    asked_of,
    format_of_header,
)
from api.facts_progress import FactsProgress
from api.metrics.parameters import filters_of
from api.read_your_writes import ConsistentReads, wait_for_position
from api.store import Store
from api.watermark import Watermarks
from core.errors import FieldError, InvalidRequest
from core.http.query_parameters import known_parameters_only
from core.settings import Settings
from core.user_ids import UserIds


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
    exports = Exports(store, settings.reads.query_seconds)
    selected = Depends(filters_of(settings.dimensions, UserIds.from_settings(settings)))
    parsed = Depends(asked_of(Watermarks(store, settings), selected))

    @router.get("/sessions", summary="Export sessions", responses=documentation.sessions())
    async def export_sessions(
        asked: Asked = parsed,
        format: FormatParam = None,
        with_events: WithEvents = None,
        behind: BehindParam = "",
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
        as_table = TABLES.get(format or format_of_header(accept))
        if as_table is None:
            with_them = with_events is not False
            return await exports.lines(asked, compression, with_events=with_them, behind=behind)
        if behind:
            raise no_order()
        if with_events:
            why = "a table of sessions carries no events: they are /export/events"
            raise InvalidRequest([FieldError("query.with_events", why)])
        return await exports.sessions(asked, as_table, compression)

    @router.get("/events", summary="Export events", responses=documentation.events())
    async def export_events(
        asked: Asked = parsed,
        format: TableParam = ExportFormat.PARQUET,
        compression: CompressionParam = Compression.NONE,
    ) -> StreamingResponse:
        """The events of all sessions, as a table with one row per event.

        All parameters but the watermarks select sessions. `position` is null when the session did
        not list the object. With `received_after`, an event is there when it or its session came
        since, or its session was marked since.
        """
        return await exports.events(asked, format, compression)

    @router.get(
        "/removals", summary="What is no longer exported", responses=documentation.removals()
    )
    async def export_removals(
        asked: Asked = parsed,
        format: ExportFormat = ExportFormat.NDJSON,
        compression: CompressionParam = Compression.NONE,
    ) -> StreamingResponse:
        """Sessions that an export before `received_after` may have had, and the next one does not:
        marked, marked back, or erased since.

        `session_hash` is the first half of the SHA-256 of the id, in hex; of an erased session
        nothing else is known. Delete these first, then replace what `/export/sessions` and
        `/export/events` have, asked with the same watermarks.
        """
        return await exports.removals(asked, format, compression)

    return router
