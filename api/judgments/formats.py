"""Judgments as the files that others read. docs/judgments.md names the reader of each format, and
tests read them with it."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from api.judgments.responses import Judgment

if TYPE_CHECKING:
    from typing_extensions import Buffer

COLUMNS: Final = Judgment.__struct_fields__


class JudgmentFormat(StrEnum):
    """Of an answer."""

    JSON = "json"
    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    QRELS = "qrels"
    QUERIES = "queries"
    RATINGS_CSV = "ratings_csv"
    RATINGS_JSON = "ratings_json"


MEDIA_TYPES: Final = {
    JudgmentFormat.JSON: "application/json",
    JudgmentFormat.CSV: "text/csv; charset=utf-8",
    JudgmentFormat.NDJSON: "application/x-ndjson",
    JudgmentFormat.PARQUET: "application/vnd.apache.parquet",
    JudgmentFormat.QRELS: "text/plain; charset=utf-8",
    JudgmentFormat.QUERIES: "text/tab-separated-values; charset=utf-8",
    JudgmentFormat.RATINGS_CSV: "text/csv; charset=utf-8",
    JudgmentFormat.RATINGS_JSON: "application/json",
}

Batches = AsyncIterator[Sequence[Judgment]]


def query_id(search_query: str) -> str:
    """The id of a query in files that allow no blanks: always the same for the same text."""
    return f"q{hashlib.sha256(search_query.encode()).hexdigest()[:16]}"


def document_id(object_id: str) -> str:
    """The object's own id; blanks and % are percent-encoded."""
    return "".join(
        each if each.isprintable() and each not in " %" else quote(each) for each in object_id
    )


async def _ndjson(batches: Batches) -> AsyncGenerator[bytes, None]:
    encoder = msgspec.json.Encoder()
    async for batch in batches:
        yield encoder.encode_lines(batch)


async def _csv(batches: Batches) -> AsyncGenerator[bytes, None]:
    yield csv_lines([COLUMNS])
    async for batch in batches:
        yield csv_lines([msgspec.structs.astuple(each) for each in batch])


async def _ratings_csv(batches: Batches) -> AsyncGenerator[bytes, None]:
    """What Quepid imports, and the Search Relevance Workbench."""
    yield csv_lines([("query", "docid", "rating")])
    async for batch in batches:
        yield csv_lines([(j.search_query, j.object_id, j.grade) for j in _graded(batch)])


async def _ratings_json(batches: Batches) -> AsyncGenerator[bytes, None]:
    """What the Search Relevance Workbench imports as judgments; ratings are texts there."""
    encode = msgspec.json.encode
    yield b'{"judgmentRatings":['
    last: str | None = None
    async for batch in batches:
        parts = []
        for query, pairs in groupby(_graded(batch), key=lambda each: each.search_query):
            if query != last:
                opened = b'{"query":' + encode(query) + b',"ratings":['
                parts.append(opened if last is None else b"]}," + opened)
            else:  # the last batch ended within it
                parts.append(b",")
            last = query
            ratings = ({"docId": j.object_id, "rating": f"{j.grade}.000"} for j in pairs)
            parts.append(b",".join(encode(each) for each in ratings))
        yield b"".join(parts)
    yield b"]}" if last is None else b"]}]}"


async def _qrels(batches: Batches) -> AsyncGenerator[bytes, None]:
    """TREC: query, iteration, document, grade."""
    async for batch in batches:
        lines = (
            f"{query_id(j.search_query)} 0 {document_id(j.object_id)} {j.grade}\n"
            for j in _graded(batch)
        )
        yield "".join(lines).encode()


async def _queries(batches: Batches) -> AsyncGenerator[bytes, None]:
    """The text of each query in qrels; tabs and line breaks are blanks."""
    last: str | None = None
    async for batch in batches:
        lines = []
        for judgment in _graded(batch):
            if judgment.search_query != last:
                last = judgment.search_query
                lines.append(f"{query_id(last)}\t{' '.join(last.split())}\n")
        yield "".join(lines).encode()


_INTEGERS: Final = {
    "impressions", "positions_seen", "highest_position", "lowest_position", "first_seen_ms",
    "last_seen_ms",
}  # fmt: skip
SCHEMA: Final = pa.schema(
    [
        pa.field(
            name,
            pa.string() if name in ("search_query", "object_id", "by_value")
            else pa.int64() if name in _INTEGERS
            else pa.int32() if name == "grade"
            else pa.float64(),
        )
        for name in COLUMNS
    ]
)  # fmt: skip
_ROW_GROUP: Final = 20_000


class _Pipe(io.RawIOBase):
    """A file that is taken away while it is written; the writer still counts from its beginning."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._taken = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        self._held += data
        return memoryview(data).nbytes

    def tell(self) -> int:
        return self._taken + len(self._held)

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = bytes(self._held)
        self._taken += len(taken)
        self._held.clear()
        return taken


async def _parquet(batches: Batches) -> AsyncGenerator[bytes, None]:
    pipe = _Pipe()
    held: list[Judgment] = []
    with pq.ParquetWriter(pipe, SCHEMA, compression="zstd") as writer:
        async for batch in batches:
            held.extend(batch)
            if len(held) >= _ROW_GROUP:
                writer.write_table(_table(held))
                held.clear()
                yield pipe.take()
        writer.write_table(_table(held))
    yield pipe.take()


def _table(rows: Sequence[Judgment]) -> pa.Table:
    return pa.Table.from_pylist([msgspec.structs.asdict(row) for row in rows], SCHEMA)


def _graded(batch: Sequence[Judgment]) -> list[Judgment]:
    return [each for each in batch if each.grade is not None]


def csv_lines(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


WRITERS: Final[dict[JudgmentFormat, Callable[[Batches], AsyncGenerator[bytes, None]]]] = {
    JudgmentFormat.NDJSON: _ndjson,
    JudgmentFormat.CSV: _csv,
    JudgmentFormat.PARQUET: _parquet,
    JudgmentFormat.QRELS: _qrels,
    JudgmentFormat.QUERIES: _queries,
    JudgmentFormat.RATINGS_CSV: _ratings_csv,
    JudgmentFormat.RATINGS_JSON: _ratings_json,
}
"""Of all formats but json, which is a page."""
OF_PAIRS: Final = (
    JudgmentFormat.QRELS, JudgmentFormat.QUERIES, JudgmentFormat.RATINGS_CSV,
    JudgmentFormat.RATINGS_JSON,
)  # fmt: skip
"""These have a place for one grade of each pair."""
