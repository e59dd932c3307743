"""Exports as tables, Parquet or Arrow: ClickHouse writes them, we pass the bytes on.

Nothing is decoded here, so an export costs this process next to nothing, and memory does not grow
with it: a slow reader makes ClickHouse wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Final

from api.queries import Query
from api.selection import Selection
from api.store import Store
from core.errors import SinkUnavailable


@dataclass(frozen=True, slots=True)
class TableFormat:
    """How ClickHouse calls it, how HTTP does, and the bytes that every whole file ends with."""

    clickhouse: str
    media_type: str
    ending: bytes


PARQUET: Final = TableFormat("Parquet", "application/vnd.apache.parquet", b"PAR1")
"""https://parquet.apache.org/docs/file-format/: a magic number behind the footer."""

ARROW: Final = TableFormat(
    "ArrowStream", "application/vnd.apache.arrow.stream", b"\xff\xff\xff\xff\0\0\0\0"
)
"""https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format: the end-of-stream
marker."""


async def table(
    store: Store,
    query: Query[bytes],
    chosen: Selection,
    format: TableFormat,
    slots: asyncio.Semaphore,
) -> AsyncGenerator[bytes, None]:
    """The file, in pieces. Raises SinkUnavailable at any step, and then before its end."""
    if slots.locked():
        raise SinkUnavailable("as many exports as can be are running: try later", retry_after=30)
    async with slots, store.file(query, format.clickhouse, **chosen.values()) as chunks:
        async for chunk in whole(chunks, format):
            yield chunk


async def whole(chunks: AsyncIterator[bytes], format: TableFormat) -> AsyncIterator[bytes]:
    """The same bytes; SinkUnavailable instead of the last of them when they do not end the file.

    ClickHouse reports an error in the middle of an answer as text in the place of what is missing.
    """
    held = b""
    async for chunk in chunks:
        held += chunk
        if len(held) > len(format.ending):
            yield held[: -len(format.ending)]
            held = held[-len(format.ending) :]
    if held != format.ending:
        raise SinkUnavailable("ClickHouse broke off its answer: try again")
    yield held
