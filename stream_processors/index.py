"""Recent sessions in memory: what the join needs of each, bounded by bytes.

Whole Arrow batches are kept, never an object per session or per result; evicting one batch forgets
its sessions. Forgetting is always safe: a miss is looked up in ClickHouse.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

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

# CPython's cost of one dict entry with its key and its value, and Arrow's of one small table. Both
# measured with tracemalloc; being off by half shifts the memory bound by as much, nothing else.
_ENTRY_BYTES = 180
_BATCH_BYTES = 6_000

# Batches are merged as they come in, smaller into larger, up to this many rows: look-ups touch few
# batches, and eviction stays fine-grained.
_MOST_ROWS = 16_384

_ROW_BITS = 20


class SessionIndex:
    """session_id → what is known of it, for the most recently admitted sessions."""

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity = capacity_bytes
        self._batches: OrderedDict[int, pa.Table] = OrderedDict()
        self._places: dict[str, int] = {}
        self._batch_bytes = 0
        self._next_batch = 0

    def __len__(self) -> int:
        return len(self._places)

    @property
    def nbytes(self) -> int:
        """Estimated memory, bytes."""
        return (
            self._batch_bytes + len(self._batches) * _BATCH_BYTES + len(self._places) * _ENTRY_BYTES
        )

    def admit(self, sessions: pa.Table) -> None:
        """Remember these (schema `KNOWN`); ones already here are kept as they are."""
        fresh = [i for i, id_ in enumerate(_ids(sessions)) if id_ not in self._places]
        if not fresh:
            return
        # A copy: what was decoded together is freed together, with all columns.
        sessions = sessions.take(pa.array(fresh))
        while self._batches:
            last_key = next(reversed(self._batches))
            last = self._batches[last_key]
            rows = last.num_rows + sessions.num_rows
            if last.num_rows > sessions.num_rows or rows > _MOST_ROWS:
                break
            del self._batches[last_key]
            self._batch_bytes -= last.nbytes
            sessions = pa.concat_tables([last, sessions])
        self._append(sessions.combine_chunks())
        self._evict()

    def find(self, session_ids: pa.Array) -> pa.Table:
        """The rows (schema `KNOWN`) of those that are here, each once, in no particular order."""
        get = self._places.get
        places = np.array(
            [place for id_ in session_ids.to_pylist() if (place := get(id_)) is not None],
            dtype=np.int64,
        )
        if not len(places):
            return KNOWN.empty_table()
        return self._take(np.unique(places))

    def forget(self, chosen: Callable[[pa.ChunkedArray], npt.NDArray[np.bool_]]) -> None:
        """Forget the sessions for whose ids `chosen` says so. Looks at every id that is here."""
        for key, batch in self._batches.items():
            gone = chosen(batch["session_id"])
            if not gone.any():
                continue
            kept = batch.filter(pa.array(~gone)).combine_chunks()
            for id_ in _ids(batch):
                self._places.pop(id_, None)
            self._batches[key] = kept
            self._batch_bytes += kept.nbytes - batch.nbytes
            self._places.update(zip(_ids(kept), itertools.count(key << _ROW_BITS), strict=False))

    def _take(self, places: npt.NDArray[np.int64]) -> pa.Table:
        batches = places >> _ROW_BITS
        starts = np.flatnonzero(np.diff(batches, prepend=-1))
        rows = places & ((1 << _ROW_BITS) - 1)
        return pa.concat_tables(
            self._batches[int(batches[start])].take(pa.array(part))
            for start, part in zip(starts, np.split(rows, starts[1:]), strict=True)
        )

    def _append(self, sessions: pa.Table) -> None:
        key = self._next_batch
        self._next_batch += 1
        self._batches[key] = sessions
        self._batch_bytes += sessions.nbytes
        first = key << _ROW_BITS
        self._places.update(zip(_ids(sessions), itertools.count(first), strict=False))

    def _evict(self) -> None:
        while self._batches and self.nbytes > self._capacity:
            _, oldest = self._batches.popitem(last=False)
            self._batch_bytes -= oldest.nbytes
            for id_ in _ids(oldest):
                del self._places[id_]


def _ids(sessions: pa.Table) -> list[str]:
    ids: list[str] = sessions["session_id"].to_pylist()
    return ids
