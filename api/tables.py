"""Exports as tables: ClickHouse writes Parquet and Arrow, this process passes the bytes on.

Of these nothing is decoded here, so an export costs this process little. Of all, its memory does
not grow with the export: ClickHouse waits for a slow reader.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from api.lines import whole_lines
from api.queries import Query
from api.store import Store, Value
from core.errors import SinkUnavailable, TooManyExports


@dataclass(frozen=True, slots=True)
class TableFormat:
    """Its name in ClickHouse, its media type, and how a whole file is known: by the bytes at its
    end, or by what each line stands between."""

    clickhouse: str
    media_type: str
    trailer: bytes = b""
    brackets: bytes = b""


PARQUET: Final = TableFormat("Parquet", "application/vnd.apache.parquet", b"PAR1")
"""https://parquet.apache.org/docs/file-format/: a magic number behind the footer."""

ARROW: Final = TableFormat(
    "ArrowStream", "application/vnd.apache.arrow.stream", b"\xff\xff\xff\xff\0\0\0\0"
)
"""https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format: the end-of-stream
marker."""

CSV: Final = TableFormat("JSONCompactEachRowWithNames", "text/csv; charset=utf-8", brackets=b"[]")
"""ClickHouse's own would show an error in mid-file as one row more."""

NDJSON: Final = TableFormat("JSONEachRow", "application/x-ndjson", brackets=b"{}")
"""A line for each row."""

BY_NAME: Final = {"parquet": PARQUET, "arrow": ARROW, "csv": CSV, "ndjson": NDJSON}


async def stream_table(
    store: Store,
    query: Query[bytes],
    values: Mapping[str, Value],
    format: TableFormat,
    slots: asyncio.Semaphore,
) -> AsyncGenerator[bytes, None]:
    """The bytes of the file, in pieces. Raises SinkUnavailable instead of an incomplete end."""
    if slots.locked():
        raise TooManyExports("too many exports are running: try again later", retry_after=30)
    async with (
        slots,
        store.file(query, format.clickhouse, **values) as chunks,
        aclosing(_checked(chunks, format)) as pieces,
    ):
        async for piece in pieces:
            yield piece


async def _checked(
    chunks: AsyncIterator[bytes], format: TableFormat
) -> AsyncGenerator[bytes, None]:
    if format.trailer:
        async for chunk in require_trailer(chunks, format):
            yield chunk
        return
    async with aclosing(whole_lines(chunks, format.brackets)) as pieces:
        async for piece in pieces:
            yield _csv_lines(piece) if format is CSV else piece


def _csv_lines(lines: bytes) -> bytes:
    """Lines of JSON, each the values of a row in brackets, as CSV (RFC 4180, but for line ends)."""
    text = io.StringIO()
    rows: Iterable[list[Any]] = msgspec.json.Decoder(list[Any]).decode_lines(lines)
    csv.writer(text, lineterminator="\n").writerows(
        [_csv_value(each) for each in row] for row in rows
    )
    return text.getvalue().encode()


def _csv_value(value: Any) -> Any:
    """Null is nothing between two commas, a list or an object is its JSON."""
    if isinstance(value, bool | list | dict):
        return msgspec.json.encode(value).decode()
    return value


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
