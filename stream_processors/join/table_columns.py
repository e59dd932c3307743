"""Decoded records → the columns of their ClickHouse table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.erasures import session_hash, user_hash
from stream_processors.join.row_version import Versions, first_wins, last_wins

SESSIONS: Final = "sessions"
EVENTS: Final = "events"
UNJOINED: Final = "unjoined_events"
MARKS: Final = "session_marks"
DEAD_LETTERS: Final = "dead_letters"
ERASED_SESSIONS: Final = "erased_sessions"
FACTS: Final = "session_facts"
FACTS_PROGRESS: Final = "facts_progress"
LATE_JOINS: Final = "late_joins"

_EVENT_FIELDS: Final = [
    pa.field("session_id", pa.string()),
    pa.field("event_id", pa.string()),
    pa.field("object_id", pa.string()),
    pa.field("event_type", pa.string()),
    pa.field("meta", pa.string()),
    pa.field("created_at", pa.timestamp("ms")),
    pa.field("received_at", pa.timestamp("ms")),
    pa.field("kafka_partition", pa.uint32()),
    pa.field("kafka_offset", pa.int64()),
    pa.field("version", pa.uint64()),
]

UNJOINED_COLUMNS: Final = pa.schema(_EVENT_FIELDS)
"""Table `unjoined_events`: an event by itself."""

EVENT_COLUMNS: Final = pa.schema(
    [
        *_EVENT_FIELDS,
        pa.field("position", pa.uint16()),
        pa.field("session_created_at", pa.timestamp("ms")),
        pa.field("session_day", pa.date32()),
    ]
)
"""Table `events`: an event and what it has from its session."""

MARK_COLUMNS: Final = pa.schema(
    [
        pa.field("session_id", pa.string()),
        pa.field("is_irrelevant", pa.bool_()),
        pa.field("marked_by", pa.string()),
        pa.field("received_at", pa.timestamp("ms")),
        pa.field("kafka_partition", pa.uint32()),
        pa.field("kafka_offset", pa.int64()),
        pa.field("version", pa.uint64()),
    ]
)
"""Table `session_marks`."""

SESSION_COLUMNS: Final = pa.schema(
    [
        pa.field("session_id", pa.string()),
        pa.field("search_query", pa.string()),
        pa.field("search_results.object_id", pa.list_(pa.string())),
        pa.field("search_results.rank", pa.list_(pa.float64())),
        pa.field("search_results.meta", pa.list_(pa.string())),
        pa.field("search_meta", pa.string()),
        pa.field("payload_filter", pa.string()),
        pa.field("sort_by", pa.string()),
        pa.field("user_id", pa.string()),
        pa.field("created_at", pa.timestamp("ms")),
        pa.field("received_at", pa.timestamp("ms")),
        pa.field("session_day", pa.date32()),
        pa.field("kafka_partition", pa.uint32()),
        pa.field("kafka_offset", pa.int64()),
        pa.field("version", pa.uint64()),
    ]
)
"""Table `sessions`."""

ERASED_COLUMNS: Final = pa.schema(
    [pa.field("session_hash", pa.binary(16)), pa.field("user_hash", pa.binary(32))]
)
"""Table `erased_sessions`, without what has a default."""


def event_rows(decoded: pa.Table, epoch: int) -> pa.Table:
    """Decoded events → `UNJOINED_COLUMNS`; the first of a key wins."""
    return _in_order(_with_version(decoded, first_wins(_offsets(decoded), epoch)), UNJOINED_COLUMNS)


def mark_rows(decoded: pa.Table, epoch: int) -> pa.Table:
    """Decoded marks → `MARK_COLUMNS`; the last of a key wins."""
    return _in_order(_with_version(decoded, last_wins(_offsets(decoded), epoch)), MARK_COLUMNS)


def session_rows(sessions: pa.Table, epoch: int) -> pa.Table:
    """Decoded sessions with their day → `SESSION_COLUMNS`; the first of a key wins."""
    results = sessions["search_results"].chunks
    for name in ("object_id", "rank", "meta"):
        column = pa.chunked_array(
            pa.ListArray.from_arrays(chunk.offsets, pc.struct_field(chunk.values, name))
            for chunk in results
        )
        sessions = sessions.append_column(f"search_results.{name}", column)
    return _in_order(
        _with_version(sessions, first_wins(_offsets(sessions), epoch)), SESSION_COLUMNS
    )


def joined_rows(events: pa.Table) -> pa.Table:
    """Events that the join has completed → `EVENT_COLUMNS`."""
    return _in_order(events, EVENT_COLUMNS)


def erased_rows(sessions: pa.Table) -> pa.Table:
    """Sessions whose users were erased → `ERASED_COLUMNS`."""
    ids, users = sessions["session_id"].to_pylist(), sessions["user_id"].to_pylist()
    hashes = {"session_hash": map(session_hash, ids), "user_hash": map(user_hash, users)}
    return pa.table({name: list(column) for name, column in hashes.items()}, ERASED_COLUMNS)


def concat(tables: Iterable[pa.Table], columns: pa.Schema) -> pa.Table:
    """All rows, in order; an empty table of these columns when there are none."""
    parts = [table for table in tables if table.num_rows]
    return pa.concat_tables(parts) if parts else columns.empty_table()


def _offsets(table: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    offsets: np.ndarray[tuple[int], np.dtype[np.int64]] = table["kafka_offset"].to_numpy()
    return offsets


def _with_version(table: pa.Table, version: Versions) -> pa.Table:
    return table.append_column("version", pa.array(version))


def _in_order(table: pa.Table, columns: pa.Schema) -> pa.Table:
    return table.select(columns.names).cast(columns)
