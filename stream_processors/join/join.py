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

from stream_processors.join.recent_sessions import KNOWN
from stream_processors.join.session_day import DayWindow

# Comparisons made at once: few enough for the processor's cache, and for 10,000 events of a session
# with 10,000 results.
_MOST_COMPARISONS = 100_000


@dataclass(frozen=True, slots=True)
class Joined:
    """`events`: with their session's columns. `unjoined`: as they came, their session unknown."""

    events: pa.Table
    unjoined: pa.Table


def first_post_per_session(sessions: pa.Table) -> pa.Table:
    """One row per session_id: the one of lowest offset. A session's offsets share a partition."""
    ids = _one_chunk(sessions["session_id"]).dictionary_encode()
    if len(ids.dictionary) == sessions.num_rows:
        return sessions
    order = np.argsort(sessions["kafka_offset"].to_numpy(), kind="stable")
    codes = ids.indices.to_numpy(zero_copy_only=False)[order]
    _, firsts = np.unique(codes, return_index=True)
    return sessions.take(pa.array(order[np.sort(firsts)]))


def anti_join(sessions: pa.Table, known: pa.Table) -> pa.Table:
    """Rows whose session_id is not in `known`."""
    return _kept(sessions, pc.invert(_in(sessions["session_id"], known["session_id"])))


def new_or_redelivered(sessions: pa.Table, known: pa.Table) -> pa.Table:
    """Sessions (`SESSION_COLUMNS`) that are to be written: those that are not known, and those that
    are known by the very record that is here again, or by a later post.

    A record comes again when whoever stored it did not live to commit it. What it did besides may
    have been lost: events that found no session in between wait for this one. A later post is known
    when the store had lost the first one, and a replay brings it back.
    """
    rows = pc.index_in(sessions["session_id"], value_set=_one_chunk(known["session_id"]))
    stored = pc.take(known["version"], rows)
    is_fresh = pc.fill_null(pc.less_equal(stored, sessions["version"]), fill_value=True)
    return _kept(sessions, is_fresh)


def with_day(sessions: pa.Table, window: DayWindow) -> pa.Table:
    """Add `session_day`, the ClickHouse partition."""
    days = window.days_of(_millis(sessions["created_at"]), _millis(sessions["received_at"]))
    return sessions.append_column("session_day", pa.array(days).cast(pa.date32()))


def as_known(sessions: pa.Table) -> pa.Table:
    """What the join needs (schema `KNOWN`) of sessions as they are stored."""
    return (
        sessions.rename_columns({"search_results.object_id": "object_ids"})
        .select(KNOWN.names)
        .cast(KNOWN)
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
    events = _kept(events, found)
    rows = sessions.filter(found).combine_chunks()
    positions = _positions(
        rows.to_numpy(zero_copy_only=False), _one_chunk(events["object_id"]), known["object_ids"]
    )
    events = events.append_column("position", pa.array(positions))
    events = events.append_column("session_created_at", known["created_at"].take(rows))
    return Joined(events.append_column("session_day", known["session_day"].take(rows)), unjoined)


def join_stored(events: pa.Table, stored: pa.Table, positions: pa.Array) -> pa.Table:
    """As `join`, for events of sessions that were looked up (schema `STORED`), every one of them.

    `positions[i]` is the place of event `i`'s object in its session's list.
    """
    rows = pc.index_in(events["session_id"], value_set=_one_chunk(stored["session_id"]))
    events = events.append_column("position", positions)
    events = events.append_column("session_created_at", stored["created_at"].take(rows))
    return events.append_column("session_day", stored["session_day"].take(rows))


def exploded_lists(sessions: pa.Table) -> pa.Table:
    """The lists of these (schema `KNOWN`) as rows: session_id, object_id and its first position."""
    lists = _one_chunk(sessions["object_ids"])
    parents = pc.list_parent_indices(lists)
    starts = lists.offsets.take(parents).to_numpy() - lists.offsets[0].as_py()
    positions = np.arange(1, len(parents) + 1) - starts
    listed = pa.table(
        {
            "session_id": _one_chunk(sessions["session_id"]).take(parents),
            "object_id": lists.flatten(),
            "position": pa.array(positions.astype(np.uint16)),
        }
    )
    firsts = listed.group_by(["session_id", "object_id"]).aggregate([("position", "min")])
    return firsts.rename_columns({"position_min": "position"}).select(listed.schema.names)


def _positions(
    sessions: npt.NDArray[np.int32], objects: pa.StringArray, lists: pa.ChunkedArray
) -> npt.NDArray[np.uint16]:
    """Place of `objects[i]` in list number `sessions[i]`, 1-based; 0 where it is not in it."""
    # Only the lists that are asked for are worth the work.
    used = np.zeros(len(lists), dtype=bool)
    used[sessions] = True
    wanted = (np.cumsum(used) - 1)[sessions]
    shown = _one_chunk(lists.filter(pa.array(used)))
    offsets = shown.offsets.to_numpy()
    offsets = offsets - offsets[0]
    # Objects as small integers, so that one comparison is one instruction.
    codes = _one_chunk(pa.chunked_array([shown.flatten(), objects])).dictionary_encode()
    code = codes.indices.to_numpy(zero_copy_only=False)
    return _first_positions(
        code[: offsets[-1]], offsets[wanted], np.diff(offsets)[wanted], code[offsets[-1] :]
    )


def _first_positions(
    shown: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int32],
    lengths: npt.NDArray[np.int32],
    objects: npt.NDArray[np.int32],
) -> npt.NDArray[np.uint16]:
    """First place of `objects[i]` in `shown[starts[i] : starts[i] + lengths[i]]`, as `_positions`.

    From the top of all lists down: most of what is clicked stands high, and drops out early.
    """
    positions = np.zeros(len(objects), dtype=np.uint16)
    searching = np.flatnonzero(lengths)
    done = 0
    while len(searching):
        width = max(1, _MOST_COMPARISONS // len(searching))
        next_positions = np.arange(done, done + width, dtype=np.int32)
        # What reads past the end of a list is masked; past the end of the last list, moved.
        rows = np.minimum(starts[searching, None] + next_positions, len(shown) - 1)
        hits = shown[rows] == objects[searching, None]
        hits &= next_positions < lengths[searching, None]
        found = hits.any(axis=1)
        positions[searching[found]] = done + hits.argmax(axis=1)[found] + 1
        done += width
        searching = searching[~found & (lengths[searching] > done)]
    return positions


def _kept(rows: pa.Table, mask: pa.ChunkedArray) -> pa.Table:
    """The rows for which it is true; the same table, not a copy, when that is all of them."""
    return rows if pc.all(mask).as_py() else rows.filter(mask)


def _in(column: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=_one_chunk(values))


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else combined.chunk(0)


def _millis(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    millis: npt.NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    return millis
