"""The Parquet files of a release: the same rows give the same bytes.

Rows come in any pieces and go into row groups of a fixed size, files of a fixed number of sessions.
Nothing in a file says when it was made, or by whom.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from api.releases.manifest import Kind, ReleaseFile

ROWS_PER_GROUP: Final = 2_000
"""Sessions: a page of /batch/sessions reads one group."""

_TIME: Final = pa.timestamp("ms", tz="UTC")
_RESULT: Final = pa.struct(
    [("object_id", pa.string()), ("rank", pa.float64()), ("meta", pa.string())]
)
_EVENT: Final = pa.struct(
    [
        ("event_id", pa.string()),
        ("object_id", pa.string()),
        ("event_type", pa.string()),
        ("position", pa.int32()),
        ("created_at", _TIME),
        ("meta", pa.string()),
    ]
)
SESSIONS: Final = pa.schema(
    [
        ("session_number", pa.int64()),
        ("session_id", pa.string()),
        ("search_query", pa.string()),
        ("search_results", pa.list_(_RESULT)),
        ("search_meta", pa.string()),
        ("payload_filter", pa.string()),
        ("sort_by", pa.string()),
        ("user_id", pa.string()),
        ("created_at", _TIME),
        ("events", pa.list_(_EVENT)),
        ("session_hash", pa.uint64()),
    ]
)
"""Of a file of sessions. Metas are JSON text, as sent. `session_hash` is the first eight bytes of
the SHA-256 of session_id: by it an erasure finds a session without reading anything else."""


def writer_name() -> str:
    """What decides about the bytes besides the rows."""
    return f"pyarrow {pa.__version__}, zstd"


def described(schema: pa.Schema) -> list[dict[str, str]]:
    """For the manifest."""
    return [{"name": field.name, "type": str(field.type)} for field in schema]


class HashedFile(io.RawIOBase):
    """Passes bytes on, and knows their number and SHA-256."""

    def __init__(self, target: Any) -> None:
        super().__init__()
        self._target = target
        self._sha256 = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        view = memoryview(content)
        self._sha256.update(view)
        self._target.write(view)
        self.size += view.nbytes
        return view.nbytes

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def close(self) -> None:
        if not self.closed:
            self._target.close()
        super().close()


def parquet_writer(target: HashedFile, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        target,
        schema,
        compression="zstd",
        compression_level=3,
        version="2.6",
        write_statistics=True,
    )


class SessionFiles:
    """Takes tables of sessions in the order of the release, and writes them into files."""

    def __init__(self, create: Callable[[str], Any], sessions_per_file: int) -> None:
        """`create` makes a file of this name to write to."""
        self._create = create
        self._per_file = sessions_per_file
        self._held: list[pa.Table] = []
        self._held_rows = 0
        self._open: _OpenFile | None = None
        self.files: list[ReleaseFile] = []
        self.sessions = 0
        self.results = 0
        self.events = 0

    def add(self, table: pa.Table) -> None:
        """`table` has the columns of `SESSIONS` but the number."""
        self._held.append(table)
        self._held_rows += table.num_rows
        while self._held_rows >= self._next_group:
            self._write_group(self._next_group)

    def close(self) -> None:
        """Write what is left."""
        if self._held_rows:
            self._write_group(self._held_rows)
        self._finish_file()

    def abandon(self) -> None:
        """Close what is open; nothing is left to be used."""
        if self._open is not None:
            self._open.target.close()

    @property
    def _next_group(self) -> int:
        """The rows of the next group: a file ends with a smaller one where it must."""
        written = 0 if self._open is None else self._open.rows
        return min(ROWS_PER_GROUP, self._per_file - written)

    def _write_group(self, rows: int) -> None:
        together = pa.concat_tables(self._held)
        # One piece of memory: where pieces ended would show in the file.
        group, rest = together.slice(0, rows).combine_chunks(), together.slice(rows)
        self._held, self._held_rows = ([rest] if rest.num_rows else []), rest.num_rows
        numbers = pa.array(range(self.sessions + 1, self.sessions + rows + 1), pa.int64())
        group = group.add_column(0, "session_number", numbers).cast(SESSIONS)
        if self._open is None:
            self._open = _OpenFile(self._create, len(self.files), self.sessions + 1)
        self._open.write(group)
        self.sessions += rows
        self.results += _length_of(group, "search_results")
        self.events += _length_of(group, "events")
        if self._open.rows == self._per_file:
            self._finish_file()

    def _finish_file(self) -> None:
        if self._open is not None:
            self.files.append(self._open.finish())
            self._open = None


class _OpenFile:
    def __init__(self, create: Callable[[str], Any], index: int, first_number: int) -> None:
        self.name = f"sessions-{index:05}.parquet"
        self.target = HashedFile(create(self.name))
        self.rows = 0
        self._first_number = first_number
        self._from_ms = self._to_ms = 0
        self._writer = parquet_writer(self.target, SESSIONS)

    def write(self, group: pa.Table) -> None:
        times = group["created_at"].cast(pa.int64())
        if not self.rows:
            self._from_ms = times[0].as_py()
        self._to_ms = times[-1].as_py()
        self._writer.write_table(group, row_group_size=ROWS_PER_GROUP)
        self.rows += group.num_rows

    def finish(self) -> ReleaseFile:
        self._writer.close()
        self.target.close()
        return ReleaseFile(
            name=self.name,
            kind=Kind.SESSIONS,
            rows=self.rows,
            bytes=self.target.size,
            sha256=self.target.sha256,
            first_number=self._first_number,
            sessions=self.rows,
            from_ms=self._from_ms,
            to_ms=self._to_ms,
        )


def _length_of(table: pa.Table, column: str) -> int:
    return sum(len(chunk.flatten()) for chunk in table[column].chunks)


def digest_of(chunks: Iterator[bytes]) -> tuple[int, str]:
    """Size and SHA-256."""
    sha256, size = hashlib.sha256(), 0
    for chunk in chunks:
        sha256.update(chunk)
        size += len(chunk)
    return size, sha256.hexdigest()
