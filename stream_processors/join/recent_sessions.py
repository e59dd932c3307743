"""Recent sessions in memory: what the join needs of each, bounded by bytes.

Whole Arrow batches are kept, and two numbers a session: never an object per session or per result.
Evicting one batch forgets its sessions. Forgetting is always safe: a miss is looked up in
ClickHouse.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stream_processors.join.stored_ids_filter import hashes_of

Hashes64 = npt.NDArray[np.uint64]

STORED: Final = pa.schema(
    [
        pa.field("session_id", pa.string()),
        pa.field("created_at", pa.timestamp("ms")),
        pa.field("session_day", pa.date32()),
        pa.field("version", pa.uint64()),
        pa.field("results", pa.uint64()),
    ]
)
"""What is looked up of a stored session: never its list, only the length of it (`results`)."""

KNOWN: Final = pa.schema(
    [
        pa.field("session_id", pa.string()),
        pa.field("created_at", pa.timestamp("ms")),
        pa.field("session_day", pa.date32()),
        pa.field("object_ids", pa.list_(pa.string())),
        pa.field("version", pa.uint64()),
    ]
)
"""What is known of a session: enough to join any of its events, and to tell the record it came from
from another one of the same id (`version`). One row per session."""

# Of a session: its hash and its location. Of a batch: what Arrow needs for one small table,
# measured with tracemalloc; being off by half shifts the memory bound by as much, nothing else.
_LOCATION_BYTES = 16
_BATCH_BYTES = 6_000

# Batches are merged as they come in, smaller into larger, up to this many rows: look-ups touch few
# batches, and eviction stays fine-grained.
_MOST_ROWS = 16_384

_ROW_BITS = 20

# Rows of a batch that a location can tell apart.
_MOST_AT_ONCE = 1 << _ROW_BITS


class RecentSessions:
    """session_id → what is known of it, for the most recently admitted sessions.

    Locations are found by 63 bits of a hash, which two arrays hold in its order. Of two sessions
    with the same hash only one is remembered.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity = capacity_bytes
        self._batches: OrderedDict[int, pa.Table] = OrderedDict()
        self._hashes = np.empty(0, dtype=np.uint64)
        self._locations = np.empty(0, dtype=np.int64)  # of each hash: batch << _ROW_BITS | row
        self._batch_bytes = 0
        self._next_batch = 0

    def __len__(self) -> int:
        return len(self._locations)

    @property
    def nbytes(self) -> int:
        """Estimated memory, bytes."""
        return (
            self._batch_bytes
            + len(self._batches) * _BATCH_BYTES
            + len(self._locations) * _LOCATION_BYTES
        )

    def admit(self, sessions: pa.Table) -> None:
        """Remember these (schema `KNOWN`); ones already here are kept as they are."""
        for first in range(0, sessions.num_rows, _MOST_AT_ONCE):
            self._admit(sessions.slice(first, _MOST_AT_ONCE))

    def _admit(self, sessions: pa.Table) -> None:
        hashes, rows = np.unique(_hashes_of(_ids(sessions)), return_index=True)
        _, is_here = self._look_up(hashes)
        fresh = np.sort(rows[~is_here])
        if not len(fresh):
            return
        # A copy: what was decoded together is freed together, with all columns.
        sessions = sessions.take(pa.array(fresh))
        merged = []
        for key, last in reversed(self._batches.items()):
            rows_of_both = last.num_rows + sessions.num_rows
            if last.num_rows > sessions.num_rows or rows_of_both > _MOST_ROWS:
                break
            merged.append(key)
            sessions = pa.concat_tables([last, sessions])
        self._remove(merged)
        self._append(sessions.combine_chunks())
        self._evict()

    def find(self, session_ids: pa.Array) -> pa.Table:
        """The rows (schema `KNOWN`) of those that are here, each once, in no particular order."""
        at, is_here = self._look_up(_hashes_of(session_ids))
        locations = np.unique(self._locations[at[is_here]])
        if not len(locations):
            return KNOWN.empty_table()
        found = self._take(locations)
        return found.filter(pc.is_in(found["session_id"], value_set=session_ids))

    def forget(self, chosen: Callable[[pa.ChunkedArray], npt.NDArray[np.bool_]]) -> None:
        """Forget the sessions for whose ids `chosen` says so. Looks at every id that is here."""
        for key, batch in list(self._batches.items()):
            gone = chosen(batch["session_id"])
            if gone.any():
                self._replace(key, batch.filter(pa.array(~gone)).combine_chunks())

    def _look_up(self, hashes: Hashes64) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Where each stands or would stand, and whether it is there."""
        at = np.searchsorted(self._hashes, hashes)
        is_here = np.zeros(len(hashes), dtype=bool)
        inside = at < len(self._hashes)
        is_here[inside] = self._hashes[at[inside]] == hashes[inside]
        return at, is_here

    def _take(self, locations: npt.NDArray[np.int64]) -> pa.Table:
        batches = locations >> _ROW_BITS
        starts = np.flatnonzero(np.diff(batches, prepend=-1))
        rows = locations & ((1 << _ROW_BITS) - 1)
        return pa.concat_tables(
            self._batches[int(batches[start])].take(pa.array(part))
            for start, part in zip(starts, np.split(rows, starts[1:]), strict=True)
        )

    def _append(self, sessions: pa.Table) -> None:
        key = self._next_batch
        self._next_batch += 1
        self._batches[key] = sessions
        self._batch_bytes += sessions.nbytes
        self._add_locations(key, sessions)

    def _replace(self, key: int, sessions: pa.Table) -> None:
        """Replaces that batch, whose sessions are forgotten."""
        self._batch_bytes += sessions.nbytes - self._batches[key].nbytes
        self._batches[key] = sessions
        self._drop_locations([key])
        self._add_locations(key, sessions)

    def _remove(self, keys: Sequence[int]) -> None:
        for key in keys:
            self._batch_bytes -= self._batches.pop(key).nbytes
        self._drop_locations(keys)

    def _evict(self) -> None:
        """Oldest first, until the rest fits."""
        oldest, nbytes = [], self.nbytes
        for key, batch in self._batches.items():
            if nbytes <= self._capacity:
                break
            oldest.append(key)
            nbytes -= batch.nbytes + _BATCH_BYTES + batch.num_rows * _LOCATION_BYTES
        self._remove(oldest)

    def _add_locations(self, key: int, sessions: pa.Table) -> None:
        hashes = _hashes_of(_ids(sessions))
        order = np.argsort(hashes)
        at = np.searchsorted(self._hashes, hashes[order])
        self._hashes = np.insert(self._hashes, at, hashes[order])
        self._locations = np.insert(self._locations, at, (key << _ROW_BITS) + order)

    def _drop_locations(self, keys: Sequence[int]) -> None:
        if keys:
            kept = ~np.isin(self._locations >> _ROW_BITS, keys)
            self._hashes, self._locations = self._hashes[kept], self._locations[kept]


def _ids(sessions: pa.Table) -> pa.StringArray:
    return sessions["session_id"].combine_chunks()


def _hashes_of(session_ids: pa.StringArray) -> Hashes64:
    kafka, plain = hashes_of(session_ids)
    return kafka.astype(np.uint64) << np.uint64(32) | plain
