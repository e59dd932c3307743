"""How large a record is, and what is kept of one that is too large. Pure.

A broker limits what a batch of records takes compressed. Unpacked, one record of it may be a
thousand times as large: it must neither fill the worker's memory nor stop its partition.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.dead_letters import Headers, republish_header
from stream_processors.consume.batches import Record, Records

# What a dead letter holds beside the record: our headers, the error, Kafka's framing. Bytes.
_BESIDE: Final = 64 * 1024


def kept_bytes(most_bytes: int) -> int:
    """What is kept of an oversize record, where one of `most_bytes` would not be: as much as a dead
    letter holds (`schemas.topics.max_dead_letter_bytes`, twice a record)."""
    return max(most_bytes, 2 * most_bytes - _BESIDE)


def sizes(records: Records) -> npt.NDArray[np.int64]:
    """Bytes of key, value and headers of each record."""
    found: npt.NDArray[np.int64] = _lengths(records.keys) + _lengths(records.values)
    for row, headers in records.headers.items():
        found[row] += _header_bytes(headers)
    return found


def cut(record: Record, most_bytes: int) -> tuple[Record, int]:
    """As much of it as fits, and how many bytes were left out: first the end of the value, then
    the headers, then the end of the key."""
    key, value, headers = record.key or b"", record.value or b"", record.headers
    before = len(key) + len(value) + _header_bytes(headers)
    if before <= most_bytes:
        return record, 0
    if len(key) + _header_bytes(headers) > most_bytes:
        headers = republish_header(headers)
    key = key[:most_bytes]
    value = value[: max(0, most_bytes - len(key) - _header_bytes(headers))]
    kept = Record(
        record.offset,
        None if record.key is None else key,
        None if record.value is None else value,
        headers,
    )
    return kept, before - len(key) - len(value) - _header_bytes(headers)


def _lengths(column: pa.BinaryArray) -> npt.NDArray[np.int64]:
    lengths = pc.fill_null(pc.binary_length(column), 0)
    counted: npt.NDArray[np.int64] = lengths.to_numpy(zero_copy_only=False).astype(np.int64)
    return counted


def _header_bytes(headers: Headers) -> int:
    return sum(len(name.encode()) + len(value or b"") for name, value in headers)
