"""Which sessions have certainly never been stored, so that new ones need no look-up.

A Bloom filter of all session ids of the partitions that are ours. "Not in it" counts only once a
partition is complete: the ids that were stored before its assignment are read in the background,
and until then every session that memory does not know is looked up. "In it" only means: look it up.

A partition that stays ours from one assignment to the next stays complete, as nobody else can have
stored anything of it. What is left of one that has gone leads to look-ups in vain, no more.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.kafka.partitioner import KAFKA_SEED, murmur2_of

Hashes32 = npt.NDArray[np.uint32]

# Bits that an id sets. Four is the best for a filter of 6 bits an id, and good for larger ones: at
# 10 bits an id, one new session in 80 is looked up in vain.
_BITS_PER_ID = 4

# 2^64 divided by the golden ratio: spreads the two hashes over all 64 bits.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


# As Kafka's partitioner, and ClickHouse's function of the same name, leave the sign out.
_POSITIVE = np.uint32(0x7FFFFFFF)


class StoredIdsFilter:
    """One filter for all partitions that are assigned. May be used by several threads."""

    def __init__(self, capacity_bytes: int, partitions: int) -> None:
        """Takes at most so many bytes. 0 turns it off: it then knows nothing for certain.
        `partitions`: how many a topic has."""
        size = 1 << (capacity_bytes.bit_length() - 1) if capacity_bytes > 0 else 0
        self._size = size
        self._bits = np.zeros(0, dtype=np.uint8)
        self._generation = -1
        self._ours: list[int] = []
        self._complete = np.zeros(partitions, dtype=bool)
        self._lock = threading.Lock()

    @property
    def is_complete(self) -> bool:
        """Whether it can be certain in every partition that is ours."""
        return bool(self._ours) and bool(self._complete[self._ours].all())

    @property
    def nbytes(self) -> int:
        """Memory, bytes."""
        return self._bits.nbytes

    def begin(self, generation: int, partitions: Collection[int], *, follows: bool) -> list[int]:
        """These partitions are ours now. Returns those whose stored ids are to be filled in.

        `follows`: the group had no other assignment since the one before this. Else others may have
        stored sessions of any partition meanwhile, so all is forgotten."""
        with self._lock:
            kept = [each for each in partitions if follows and self._complete[each]]
            if not kept:
                self._bits = np.zeros(self._size, dtype=np.uint8)
            self._complete[:] = False
            self._complete[kept] = True
            self._generation = generation
            self._ours = sorted(partitions)
            return [each for each in self._ours if not self._complete[each]]

    def fill(self, generation: int, kafka: Hashes32, plain: Hashes32) -> bool:
        """Add ids that are stored, by their `hashes_of`. False: stop
        reading, the assignment is over, or there is no memory to fill."""
        with self._lock:
            if generation != self._generation or not self._size:
                return False
            self._set(kafka, plain)
            return True

    def complete(self, generation: int) -> None:
        """Every id of what `begin` returned, that was stored when it was called, is filled in."""
        with self._lock:
            if generation == self._generation and self._size > 0:
                self._complete[self._ours] = True

    def add(self, session_ids: Iterable[pa.StringArray]) -> None:
        """These are stored now. Call it after they are, whatever generation they are from."""
        with self._lock:
            if self._bits.size:
                for ids in session_ids:
                    self._set(*hashes_of(ids))

    def certainly_not_stored(self, session_ids: pa.StringArray) -> npt.NDArray[np.bool_]:
        """For each: whether it is certain that it is not stored."""
        with self._lock:
            if not self._complete.any():
                return np.zeros(len(session_ids), dtype=bool)
            kafka, plain = hashes_of(session_ids)
            new = np.zeros(len(session_ids), dtype=bool)
            for positions in self._bit_positions(kafka, plain):
                bits = self._bits[positions >> np.uint64(3)]
                new |= (bits >> (positions & np.uint64(7)).astype(np.uint8)) & 1 == 0
            return new & self._complete[kafka % len(self._complete)]

    def _set(self, kafka: Hashes32, plain: Hashes32) -> None:
        for positions in self._bit_positions(kafka, plain):
            bits = np.uint8(1) << (positions & np.uint64(7)).astype(np.uint8)
            np.bitwise_or.at(self._bits, positions >> np.uint64(3), bits)

    def _bit_positions(self, kafka: Hashes32, plain: Hashes32) -> Iterable[npt.NDArray[np.uint64]]:
        mixed = (kafka.astype(np.uint64) << np.uint64(32) | plain) * _SPREAD
        position, step = mixed >> np.uint64(32), mixed | np.uint64(1)
        for _ in range(_BITS_PER_ID):
            yield position & np.uint64(self._bits.size * 8 - 1)
            position = position + step


def hashes_of(session_ids: pa.StringArray) -> tuple[Hashes32, Hashes32]:
    """What `StoredIdsFilter.fill` takes; in ClickHouse, `kafkaMurmurHash` and `murmurHash2_32`."""
    return murmur2_of(session_ids, KAFKA_SEED) & _POSITIVE, murmur2_of(session_ids, 0)
