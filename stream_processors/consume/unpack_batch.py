"""One batch of Kafka's as it was fetched → the same batch uncompressed, within bounds → records.

A broker limits what a batch takes compressed. 512 KiB of it may be gigabytes, so nothing is
unpacked without a limit on what comes out.

https://kafka.apache.org/documentation/#recordbatch
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import Any, Final

import cramjam
from aiokafka.codec import _detect_xerial_stream, snappy_decode
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import DefaultRecordBatch
from aiokafka.record.util import decode_varint

from stream_processors.consume.batches import Record

# Of the second version of the format, in which the header of a batch has this many bytes.
_HEADER_BYTES: Final = 61
_MAGIC: Final = 2
_MAGIC_AT: Final = 16
_ATTRIBUTES_AT: Final = 21
_LAST_OFFSET_DELTA_AT: Final = 23
_FIRST_TIMESTAMP_AT: Final = 27
_LAST_TIMESTAMP_AT: Final = 35
# Set where the broker's clock counts: all records then have the last timestamp.
_LOG_APPEND_TIME_BIT: Final = 0x08
_CODEC_BITS: Final = 0x07
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_INTO: Final = {_GZIP: cramjam.gzip, _LZ4: cramjam.lz4, _ZSTD: cramjam.zstd}


class Unpacker:
    """Uncompresses batches, each to at most `most_bytes`. It has memory of its own for as long as
    it lives: make one for each fetch."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._room: mmap.mmap | None = None

    def unpack(self, batch: memoryview) -> memoryview:
        """The batch uncompressed; the same where it is so already, or of an older format.

        Raises CorruptRecordException when it does not uncompress, or to more than the limit.
        """
        if batch[_MAGIC_AT] != _MAGIC:
            return batch
        codec = batch[_ATTRIBUTES_AT + 1] & _CODEC_BITS
        if codec == 0:
            return batch
        head = bytearray(batch[:_HEADER_BYTES])
        head[_ATTRIBUTES_AT + 1] &= ~_CODEC_BITS
        try:
            return memoryview(head + self._uncompressed(codec, batch[_HEADER_BYTES:]))
        except (ValueError, TypeError, struct.error, cramjam.DecompressionError) as error:
            raise CorruptRecordException(
                f"it cannot be unpacked into {self._most_bytes:,} bytes: {error}"
            ) from error

    def _uncompressed(self, codec: int, data: memoryview) -> bytes | memoryview:
        if codec == _SNAPPY:  # the one that says before how long it is
            if _snappy_bytes(data) > self._most_bytes:
                raise ValueError("it is larger")
            return bytes(snappy_decode(bytes(data)))
        if codec not in _INTO:
            raise ValueError(f"there is no codec {codec}")
        if self._room is None:
            # Only the pages that are written to take memory.
            self._room = mmap.mmap(-1, self._most_bytes)
        length = _INTO[codec].decompress_into(data, self._room)
        return memoryview(self._room)[:length]


def _snappy_bytes(data: memoryview) -> int:
    """How long it says that it is, uncompressed."""
    if not _detect_xerial_stream(data):
        return int(cramjam.snappy.decompress_raw_len(data))
    total, at = 0, 16
    while at < len(data):
        (length,) = struct.unpack_from(">i", data, at)
        if length <= 0:
            raise ValueError("a block without bytes")
        total += cramjam.snappy.decompress_raw_len(data[at + 4 : at + 4 + length])
        at += 4 + length
    return total


def range_of(batch: memoryview) -> tuple[int, int]:
    """The first offset, and the one behind the last, as the batch's own header has them."""
    first = int.from_bytes(batch[:8], "big")
    if len(batch) < _HEADER_BYTES or batch[_MAGIC_AT] != _MAGIC:
        return first, first + 1
    (delta,) = struct.unpack_from(">i", batch, _LAST_OFFSET_DELTA_AT)
    return first, first + max(0, delta) + 1


def produced_ms_of(batch: memoryview) -> int:
    """When its first record was produced, milliseconds since the epoch; 0 where its header does not
    say it."""
    if len(batch) < _HEADER_BYTES or batch[_MAGIC_AT] != _MAGIC:
        return 0
    is_brokers = batch[_ATTRIBUTES_AT + 1] & _LOG_APPEND_TIME_BIT
    at = _LAST_TIMESTAMP_AT if is_brokers else _FIRST_TIMESTAMP_AT
    (milliseconds,) = struct.unpack_from(">q", batch, at)
    return max(0, int(milliseconds))


def records_of(plain: memoryview, batch: Any) -> list[Record]:
    """All records of a batch: `plain` is the uncompressed one, `batch` aiokafka's for an older
    format. Raises what aiokafka raises for one whose structure is broken."""
    if plain[_MAGIC_AT] != _MAGIC:
        return [Record(r.offset, r.key, r.value, tuple(r.headers)) for r in batch]
    try:
        return [
            Record(r.offset, r.key, r.value, tuple(r.headers)) for r in DefaultRecordBatch(plain)
        ]
    except UnicodeDecodeError:
        # The name of a header: of no use to us, and no reason to give up what the record holds.
        return list(_read(_DefaultRecordBatchPy(plain)))


def _read(batch: Any) -> Iterator[Record]:
    """As aiokafka reads it, whatever bytes the names of headers are."""
    data, at = batch._buffer, batch._pos
    for _ in range(batch._num_records):
        length, at = decode_varint(data, at)
        end = at + length
        _, at = decode_varint(data, at)  # attributes, a byte that is 0
        _, at = decode_varint(data, at)  # the timestamp
        delta, at = decode_varint(data, at)
        key, at = _bytes(data, at)
        value, at = _bytes(data, at)
        count, at = decode_varint(data, at)
        headers: list[tuple[str, bytes | None]] = []
        for _ in range(count):
            name, at = _bytes(data, at)
            content, at = _bytes(data, at)
            headers.append(((name or b"").decode("utf-8", "backslashreplace"), content))
        if at != end or at > len(data):
            raise CorruptRecordException("a record does not end where it says")
        yield Record(batch.base_offset + delta, key, value, tuple(headers))


def _bytes(data: bytearray, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(data, at)
    return (None, at) if length < 0 else (bytes(data[at : at + length]), at + length)
