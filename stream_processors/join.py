"""The join: pure functions from Arrow tables to Arrow tables. No I/O, no state, no clock.

Order never matters: whatever comes first, the rows that are finally stored are the same. A session
is the first one posted (lowest offset); an event takes its day, its time and its position from
that session; an event without a session waits, and is joined by the same function when it is
adopted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stream_processors.index import KNOWN
from stream_processors.session_day import DayWindow


@dataclass(frozen=True, slots=True)
class Joined:
    """`events`: with their session's columns. `unjoined`: as they came, their session unknown."""

    events: pa.Table
    unjoined: pa.Table


def first_of_each(sessions: pa.Table) -> pa.Table:
    """One row per session_id: the one of lowest offset. A session's offsets share a partition."""
    ordered = sessions.sort_by("kafka_offset")
    codes = ordered["session_id"].combine_chunks().dictionary_encode().indices
    _, firsts = np.unique(codes.to_numpy(zero_copy_only=False), return_index=True)
    return ordered.take(pa.array(np.sort(firsts)))


def without(sessions: pa.Table, known: pa.Table) -> pa.Table:
    """Sessions whose id is not in `known`."""
    return sessions.filter(
        pc.invert(pc.is_in(sessions["session_id"], value_set=known["session_id"].combine_chunks()))
    )


def with_day(sessions: pa.Table, window: DayWindow) -> pa.Table:
    """Add `session_day`, the ClickHouse partition."""
    days = window.days_of(_millis(sessions["created_at"]), _millis(sessions["received_at"]))
    return sessions.append_column("session_day", pa.array(days).cast(pa.date32()))


def known_of(sessions: pa.Table) -> pa.Table:
    """What the join needs of sessions that have their day (schema `KNOWN`)."""
    results = sessions["search_results"].combine_chunks()
    object_ids = pa.ListArray.from_arrays(
        results.offsets, pc.struct_field(results.values, "object_id")
    )
    return pa.table(
        [sessions["session_id"], sessions["created_at"], sessions["session_day"], object_ids],
        schema=KNOWN,
    )


def join(events: pa.Table, known: pa.Table) -> Joined:
    """Give each event its session's columns.

    `known` holds each session once (schema `KNOWN`). `events` gains `position` (1-based place of
    the object in the session's list, its first where it is listed twice, 0 where it is not),
    `session_created_at` and `session_day`.
    """
    known = known.combine_chunks()
    sessions = pc.index_in(events["session_id"], value_set=_one_chunk(known["session_id"]))
    found = pc.is_valid(sessions)
    unjoined = events.filter(pc.invert(found))
    events = events.filter(found)
    rows = sessions.filter(found).combine_chunks()
    positions = _positions(
        rows.to_numpy(zero_copy_only=False), _one_chunk(events["object_id"]), known["object_ids"]
    )
    events = events.append_column("position", pa.array(positions))
    events = events.append_column("session_created_at", known["created_at"].take(rows))
    return Joined(events.append_column("session_day", known["session_day"].take(rows)), unjoined)


def _positions(
    sessions: npt.NDArray[np.int32], objects: pa.StringArray, lists: pa.ChunkedArray
) -> npt.NDArray[np.uint16]:
    """Place of `objects[i]` in list number `sessions[i]`.

    Both sides become one integer per (list, object), so that a single hash look-up over integers
    answers all of them.
    """
    # Only the lists that are asked for are worth the work.
    used, wanted = np.unique(sessions, return_inverse=True)
    shown = _one_chunk(lists.take(pa.array(used)))
    offsets = shown.offsets.to_numpy()
    offsets = offsets - offsets[0]
    lengths = np.diff(offsets)
    parents = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    codes = _one_chunk(pa.chunked_array([shown.flatten(), objects])).dictionary_encode()
    code = codes.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    width = np.int64(len(codes.dictionary) + 1)
    shown_keys = parents * width + code[: len(parents)]
    event_keys = wanted.astype(np.int64) * width + code[len(parents) :]
    # index_in answers with the first of equal keys: the first place of an object listed twice.
    places = pc.index_in(pa.array(event_keys), value_set=pa.array(shown_keys))
    place = pc.fill_null(places, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    position = place - offsets[wanted] + 1 if len(wanted) else place
    return np.where(place < 0, 0, position).astype(np.uint16)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else combined.chunk(0)


def _millis(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    millis: npt.NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    return millis
