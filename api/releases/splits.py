"""Which lists of a release are for training, validation and testing, and what is in several."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from api.judgments.cells import Integers
from api.training.question import SplitBy

NAMES: Final = ("train", "validation", "test")
SHARES: Final = (80, 10)
"""Percent for training and for validation; the rest is for testing."""

_MERGED_AT: Final = 1_000_000


class Splits:
    """Assigns the lists of a release, which must come in its order."""

    def __init__(self, by: SplitBy, lists: int) -> None:
        """`lists`: how many there will be in all."""
        self._by = by
        self._ends = np.floor(np.cumsum(SHARES) / 100 * lists)
        self._counts = np.zeros(len(NAMES), np.int64)
        self._users, self._queries = _Texts(), _Texts()

    def of(self, sessions: pa.Table, numbers: Integers) -> Integers:
        """The place in `NAMES` of each session's list. `numbers`: the lists before it."""
        found = self._assigned(sessions, numbers)
        self._counts += np.bincount(found, minlength=len(NAMES))
        users = sessions["user_id"].combine_chunks()
        is_known = users.is_valid()
        self._users.add(users.filter(is_known), found[is_known.to_numpy(zero_copy_only=False)])
        self._queries.add(sessions["search_query"].combine_chunks(), found)
        return found

    def account(self) -> dict[str, Any]:
        """For the manifest: how it was split, lists in each part, and what is in several parts."""
        return {
            "by": self._by.value,
            "shares": list(SHARES),
            "lists": dict(zip(NAMES, self._counts.tolist(), strict=True)),
            "in_several_splits": {
                "users": self._users.in_several(),
                "queries": self._queries.in_several(),
            },
        }

    def _assigned(self, sessions: pa.Table, numbers: Integers) -> Integers:
        if self._by is SplitBy.TIME:
            return np.searchsorted(self._ends, numbers, side="right")
        texts = sessions["search_query"]
        if self._by is SplitBy.USER:  # a search without a user is one of its own
            texts = pc.coalesce(sessions["user_id"], sessions["session_id"])
        places = _hashes(texts.combine_chunks()) % np.uint64(100)
        return np.searchsorted(np.cumsum(SHARES), places, side="right")


class _Texts:
    """In which splits texts are: 8 bytes for each text and split that it is in."""

    def __init__(self) -> None:
        self._held: list[npt.NDArray[np.uint64]] = []
        self._rows = 0

    def add(self, texts: pa.Array, splits: Integers) -> None:
        keys = np.unique((_hashes(texts) & ~np.uint64(3)) | splits.astype(np.uint64))
        self._held.append(keys)
        self._rows += len(keys)
        if self._rows > _MERGED_AT + 2 * len(self._held[0]):
            self._merge()

    def in_several(self) -> int:
        self._merge()
        _, splits = np.unique(self._held[0] >> np.uint64(2), return_counts=True)
        return int((splits > 1).sum())

    def _merge(self) -> None:
        held = [np.zeros(0, np.uint64), *self._held]
        self._held = [np.unique(np.concatenate(held))]
        self._rows = len(self._held[0])


def _hashes(texts: pa.Array) -> npt.NDArray[np.uint64]:
    """The same for the same text, in any release."""
    different = texts.dictionary_encode()
    once_each = different.dictionary.to_pylist()
    digests = b"".join(blake2b(each.encode(), digest_size=8).digest() for each in once_each)
    hashes = np.frombuffer(digests, "<u8").astype(np.uint64)
    return np.asarray(hashes[different.indices.to_numpy(zero_copy_only=False)], np.uint64)
