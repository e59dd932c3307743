"""What is asked for → the body of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from fastapi.responses import StreamingResponse

from api.compression import MEDIA_TYPES, Compression, compressed
from api.covered import Covered
from api.export.parameters import TABLES, Asked, ExportFormat
from api.lines import export_lines
from api.queries import EXPORT_EVENTS_TABLE, EXPORT_REMOVALS, EXPORT_SESSIONS_TABLE, Query
from api.store import Store
from api.streams import start_stream
from api.tables import CSV, NDJSON, TableFormat, stream_table
from api.watermark import WATERMARK_HEADER
from core.errors import FieldError, InvalidRequest

MAX_EXPORTS: Final = 8
"""At a time. Each holds a connection to ClickHouse while its client reads; the library opens 20,
and other reads need some of them."""

_TEXTS: Final = (NDJSON, CSV)


class Exports:
    """One per process. Every method raises InvalidRequest for parameters that do not go together,
    and what the first rows raise."""

    def __init__(self, store: Store, seconds: float) -> None:
        """`seconds`: the longest time until ClickHouse has said which days there are."""
        self._store = store
        self._seconds = seconds
        self._slots = asyncio.Semaphore(MAX_EXPORTS)

    async def lines(
        self, asked: Asked, compression: Compression, *, with_events: bool, behind: str
    ) -> StreamingResponse:
        """Sessions as lines of JSON; of an export at a watermark, those behind this session."""
        covered = asked.covered
        if behind and covered.cut is None:
            raise no_order()
        lines = export_lines(
            self._store,
            covered,
            self._slots,
            with_events=with_events,
            seconds=self._seconds,
            behind=behind,
        )
        return await _respond(lines, NDJSON, compression, asked.watermark)

    async def sessions(
        self, asked: Asked, format: TableFormat, compression: Compression
    ) -> StreamingResponse:
        """Sessions as a table."""
        query = asked.covered.sessions_table(EXPORT_SESSIONS_TABLE)
        return await self._table(asked, query, format, compression)

    async def events(
        self, asked: Asked, format: ExportFormat, compression: Compression
    ) -> StreamingResponse:
        """Events as a table."""
        as_table = TABLES.get(format)
        if as_table is None:
            why = "as lines of JSON, events come with their sessions: /export/sessions"
            raise InvalidRequest([FieldError("query.format", why)])
        query = asked.covered.events_table(EXPORT_EVENTS_TABLE)
        return await self._table(asked, query, as_table, compression)

    async def removals(
        self, asked: Asked, format: ExportFormat, compression: Compression
    ) -> StreamingResponse:
        """What is no longer exported."""
        query = removals_of(asked.covered)
        return await self._table(asked, query, TABLES.get(format, NDJSON), compression)

    async def _table(
        self, asked: Asked, query: Query[bytes], format: TableFormat, compression: Compression
    ) -> StreamingResponse:
        values = asked.covered.values()
        rows = stream_table(self._store, query, values, format, self._slots)
        return await _respond(rows, format, compression, asked.watermark)


def removals_of(covered: Covered) -> Query[bytes]:
    """Raises InvalidRequest unless it is said since when."""
    if covered.cut is None or covered.cut.after is None:
        raise InvalidRequest([FieldError("query.received_after", "is needed: removed since when?")])
    return covered.removals(EXPORT_REMOVALS)


def no_order() -> InvalidRequest:
    """Of `behind` where it means nothing."""
    why = "goes with ndjson, and with received_after or received_until: others have no order"
    return InvalidRequest([FieldError("query.behind", why)])


async def _respond(
    pieces: AsyncGenerator[bytes, None],
    format: TableFormat,
    compression: Compression,
    watermark: str,
) -> StreamingResponse:
    if compression is not Compression.NONE and format not in _TEXTS:
        why = "goes with ndjson and csv: parquet and arrow are compressed inside"
        raise InvalidRequest([FieldError("query.compression", why)])
    media_type = MEDIA_TYPES.get(compression, format.media_type)
    response = await start_stream(compressed(pieces, compression), media_type)
    response.headers[WATERMARK_HEADER] = watermark
    return response
