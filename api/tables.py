"""Exports as Parquet or Arrow: ClickHouse writes the file, this process passes the bytes on.

Nothing is decoded here, so an export costs this process little, and its memory does not grow with
the export: ClickHouse waits for a slow reader.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Final

from api.queries import Query
from api.selection import Selection
from api.store import Store
from core.errors import SinkUnavailable, TooManyExports


@dataclass(frozen=True, slots=True)
class TableFormat:
    """Its name in ClickHouse, its media type, and the bytes at the end of every complete file."""

    clickhouse: str
    media_type: str
    trailer: bytes


PARQUET: Final = TableFormat("Parquet", "application/vnd.apache.parquet", b"PAR1")
"""https://parquet.apache.org/docs/file-format/: a magic number behind the footer."""

ARROW: Final = TableFormat(
    "ArrowStream", "application/vnd.apache.arrow.stream", b"\xff\xff\xff\xff\0\0\0\0"
)
"""https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format: the end-of-stream
marker."""


async def stream_table(
    store: Store,
    query: Query[bytes],
    selection: Selection,
    format: TableFormat,
    slots: asyncio.Semaphore,
) -> AsyncGenerator[bytes, None]:
    """The bytes of the file, in pieces. Raises SinkUnavailable instead of an incomplete end."""
    if slots.locked():
        raise TooManyExports("too many exports are running: try again later", retry_after=30)
    async with slots, store.file(query, format.clickhouse, **selection.parameters()) as chunks:
        async for chunk in require_trailer(chunks, format):
            yield chunk


async def require_trailer(
    chunks: AsyncIterator[bytes], format: TableFormat
) -> AsyncIterator[bytes]:
    """The same bytes. Raises SinkUnavailable when they do not end with the format's trailer.

    ClickHouse reports an error in mid-response as text in place of the rest of the file.
    """
    held = b""
    async for chunk in chunks:
        held += chunk
        if len(held) > len(format.trailer):
            yield held[: -len(format.trailer)]
            held = held[-len(format.trailer) :]
    if held != format.trailer:
        raise SinkUnavailable("ClickHouse broke off its answer: try again")
    yield held
