"""Which partition a session lives on: Kafka's murmur2, for one id and for a whole Arrow array.

Java's default partitioner for records with a key, librdkafka's `murmur2_random` and aiokafka's
default agree with this, so a session's records meet on one partition whoever produced them.
The algorithm is Austin Appleby's MurmurHash2 (public domain) with Kafka's seed.
"""

from __future__ import annotations

from struct import unpack_from
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# Kafka's constants. Another value sends every session to another partition.
KAFKA_SEED: Final = 0x9747B28C
_MULTIPLIER: Final = 0x5BD1E995
_SHIFT: Final = 24

_UINT32: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF

Words = npt.NDArray[np.uint32]
Offsets = npt.NDArray[np.int64]


def murmur2(key: bytes) -> int:
    """The hash as Java shows it: a signed 32-bit integer."""
    length = len(key)
    words, tail = divmod(length, 4)
    state = KAFKA_SEED ^ length
    for word in unpack_from(f"<{words}I", key):
        mixed = (word * _MULTIPLIER) & _UINT32
        mixed = ((mixed ^ (mixed >> _SHIFT)) * _MULTIPLIER) & _UINT32
        state = ((state * _MULTIPLIER) & _UINT32) ^ mixed
    if tail:
        state ^= int.from_bytes(key[-tail:], "little")
        state = (state * _MULTIPLIER) & _UINT32
    state = ((state ^ (state >> 13)) * _MULTIPLIER) & _UINT32
    state ^= state >> 15
    return state - (1 << 32) if state > _POSITIVE else state


def partition_of(session_id: str, partitions: int) -> int:
    """The partition of one session, 0-based."""
    return partition_of_key(session_id.encode(), partitions)


def partition_of_key(key: bytes, partitions: int) -> int:
    """The same for a key that may be no text."""
    return (murmur2(key) & _POSITIVE) % partitions


def partitions_of(
    session_ids: pa.StringArray | pa.LargeStringArray, partitions: int
) -> npt.NDArray[np.int32]:
    """The partition of each session of an array without nulls; equals `partition_of` of each."""
    hashes = murmur2_of(session_ids)
    return ((hashes & np.uint32(_POSITIVE)) % np.uint32(partitions)).astype(np.int32)


def murmur2_of(session_ids: pa.StringArray | pa.LargeStringArray, seed: int = KAFKA_SEED) -> Words:
    """The unsigned hash of each; with Kafka's seed, `murmur2` of each, with 0, what ClickHouse
    calls `murmurHash2_32`.

    The loop runs over the four-byte words of the longest id, not over the rows: with the rows
    sorted by length, those that still have a word to give are always the first ones. Ids of one
    length, as UUIDs are, lie there as a table of words: a sixth of the time.
    """
    if session_ids.null_count:
        raise ValueError("session ids must not be null")
    if len(session_ids) == 0:
        return np.empty(0, dtype=np.uint32)
    data, starts, lengths = _layout(session_ids)
    size = int(lengths[0])
    if size % 4 == 0 and (lengths == size).all():
        return _finished(_even_state(data[starts[0] :], size, len(lengths), seed))
    order = np.argsort(-lengths, kind="stable")
    result = np.empty(len(order), dtype=np.uint32)
    result[order] = _hashes(data, starts[order], lengths[order], seed)
    return result


def _layout(
    ids: pa.StringArray | pa.LargeStringArray,
) -> tuple[npt.NDArray[np.uint8], Offsets, Offsets]:
    """The bytes of all ids, the offset of each, and its length."""
    _, offset_buffer, data_buffer = ids.buffers()
    width = "<i8" if pa.types.is_large_string(ids.type) else "<i4"
    offsets = np.frombuffer(memoryview(offset_buffer or b""), dtype=width)
    data = np.frombuffer(memoryview(data_buffer or b""), dtype=np.uint8)
    used = offsets[ids.offset : ids.offset + len(ids) + 1].astype(np.int64)
    return data, used[:-1], np.diff(used)


def _hashes(data: npt.NDArray[np.uint8], starts: Offsets, lengths: Offsets, seed: int) -> Words:
    """murmur2 of each range of `data`; the ranges come longest first."""
    multiplier = np.uint32(_MULTIPLIER)
    state = np.uint32(seed) ^ lengths.astype(np.uint32)
    word_counts = lengths // 4
    longest = int(word_counts[0])
    if longest:
        # A little-endian word at every byte position: overlapping, unaligned, and without a copy.
        words = np.ndarray((len(data) - 3,), dtype="<u4", buffer=data, strides=(1,))
        remaining = np.searchsorted(-word_counts, -np.arange(longest), side="left")
        for index, count in enumerate(remaining):
            _take_word(state[:count], words[starts[:count] + 4 * index].astype(np.uint32))
    tails = lengths % 4
    for index in (2, 1, 0):
        rows = np.flatnonzero(tails > index)
        last = data[starts[rows] + 4 * word_counts[rows] + index].astype(np.uint32)
        state[rows] ^= last << np.uint32(8 * index)
    state[tails > 0] *= multiplier
    return _finished(state)


def _even_state(data: npt.NDArray[np.uint8], size: int, count: int, seed: int) -> Words:
    """The same, before the last step, of ids of `size` bytes each, one after the other: a multiple
    of four."""
    state = np.full(count, np.uint32(seed ^ size))
    words = data[: size * count].view("<u4").reshape(count, size // 4)
    for column in words.T:
        _take_word(state, column.copy())
    return state


def _take_word(state: Words, word: Words) -> None:
    """Mix one word of each id into its state; `word` is used up."""
    multiplier = np.uint32(_MULTIPLIER)
    word *= multiplier
    word ^= word >> np.uint32(_SHIFT)
    word *= multiplier
    state *= multiplier
    state ^= word


def _finished(state: Words) -> Words:
    state ^= state >> np.uint32(13)
    state *= np.uint32(_MULTIPLIER)
    state ^= state >> np.uint32(15)
    return state
