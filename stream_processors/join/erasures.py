"""What was erased and must not be stored again. Pure.

A session is erased by its id, once that is known, or by its user, when the edge took it before the
erasure. Both are decided from the record and the erasures alone, so a redelivery and a replay come
to the same verdict. An erased id stays erased: who posts it again (a client's retry) posts the same
session. Its events, marks and dead letters are erased with it, whenever they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.erasures import dead_letter_hash, session_hash, user_hash
from stream_processors.decode.batch import RejectedRecord

Mask = npt.NDArray[np.bool_]


class HashSet:
    """Hashes of 16 bytes each, in as many bytes: there may be millions."""

    def __init__(self, hashes: Iterable[bytes] = ()) -> None:
        words = np.frombuffer(b"".join(hashes), dtype=">u8").astype(np.uint64).reshape(-1, 2)
        words = words[np.argsort(words[:, 0], kind="stable")]
        self._heads, self._tails = words[:, 0].copy(), words[:, 1].copy()

    def __len__(self) -> int:
        return len(self._heads)

    def __or__(self, more: HashSet) -> HashSet:
        both = HashSet()
        heads = np.concatenate([self._heads, more._heads])
        order = np.argsort(heads, kind="stable")
        both._heads = heads[order]
        both._tails = np.concatenate([self._tails, more._tails])[order]
        return both

    def holds(self, hashes: Iterable[bytes]) -> Mask:
        """For each whether it is in the set."""
        words = np.frombuffer(b"".join(hashes), dtype=">u8").astype(np.uint64).reshape(-1, 2)
        heads, tails = words[:, 0], words[:, 1]
        first = np.searchsorted(self._heads, heads, side="left")
        last = np.searchsorted(self._heads, heads, side="right")
        found = np.zeros(len(words), dtype=bool)
        for row in np.flatnonzero(last > first):
            found[row] = (self._tails[first[row] : last[row]] == tails[row]).any()
        return found


@dataclass(frozen=True)
class Erased:
    """Everything that is erased. `tally` counts the rows that it was read from."""

    tally: int = 0
    cut_offs: Mapping[bytes, int] = field(default_factory=dict)
    """User hash → milliseconds; what the edge took until then is erased."""
    sessions: HashSet = field(default_factory=HashSet)
    dead_letters: HashSet = field(default_factory=HashSet)

    def __bool__(self) -> bool:
        return self.tally > 0

    def of_ids(self, session_ids: pa.Array | pa.ChunkedArray) -> Mask:
        """For each session id whether it is erased."""
        if not len(self.sessions):
            return np.zeros(len(session_ids), dtype=bool)
        return self.sessions.holds(map(session_hash, session_ids.to_pylist()))

    def of_users(self, sessions: pa.Table) -> Mask:
        """For each session whether the edge took it from a user who was erased later."""
        erased = np.zeros(sessions.num_rows, dtype=bool)
        if not self.cut_offs:
            return erased
        received = sessions["received_at"].cast(pa.int64()).to_numpy()
        users = pc.is_valid(sessions["user_id"]).to_numpy(zero_copy_only=False)
        # Traffic of today is younger than all erasures but those of this moment: nothing is hashed.
        for row in np.flatnonzero(users & (received <= max(self.cut_offs.values()))):
            cut_off = self.cut_offs.get(user_hash(sessions["user_id"][int(row)].as_py()))
            erased[row] = cut_off is not None and received[row] <= cut_off
        return erased

    def with_sessions(self, session_ids: Iterable[str]) -> Erased:
        """The same, and these."""
        more = HashSet(map(session_hash, session_ids))
        return replace(self, sessions=self.sessions | more) if len(more) else self

    def covers(self, rejected: RejectedRecord) -> bool:
        """Whether a dead letter is erased: its bytes are, or its key is a session's that is."""
        key, value = rejected.record.key, rejected.record.value
        if value is not None and self.dead_letters.holds([dead_letter_hash(value)])[0]:
            return True
        return key is not None and bool(self.sessions.holds([dead_letter_hash(key)])[0])


def without_erased(rows: pa.Table, erased: Mask) -> pa.Table:
    """The rows that stay; the same table when all do."""
    return rows.filter(pa.array(~erased)) if erased.any() else rows
