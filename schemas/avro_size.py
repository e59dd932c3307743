"""How many bytes decoded records take in Avro at least: whole columns at a time. Pure.

A decoder that stops at a record's last field does not say whether anything follows. But Avro has a
shortest form, which is the one that encoders write, and its length follows from the fields: a value
that is longer has something behind its record, or was written in an unusual way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# From these on a number (zigzag-encoded) takes a byte more: Avro puts seven bits into a byte.
_STEPS: Final = tuple(1 << (7 * bytes_) for bytes_ in range(1, 10))

_FIXED_BYTES: Final = {"double": 8, "float": 4, "boolean": 1, "null": 0}

Numbers = npt.NDArray[np.int64] | npt.NDArray[np.int32]


class CanonicalSize:
    """Measures records of one schema: of records, arrays, unions with null, and plain types."""

    def __init__(self, schema: str) -> None:
        self._fields: list[Mapping[str, Any]] = json.loads(schema)["fields"]

    def of(self, records: pa.RecordBatch) -> int:
        """Of all these records together."""
        return sum(_bytes(field["type"], records[field["name"]]) for field in self._fields)


def _bytes(schema: Any, values: pa.Array) -> int:
    if isinstance(schema, list):  # a union: a byte says which branch
        (branch,) = (branch for branch in schema if branch != "null")
        present = values.drop_null() if values.null_count else values
        return len(values) + _bytes(branch, present)
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind in _FIXED_BYTES:
        return _FIXED_BYTES[kind] * len(values)
    if kind in ("string", "bytes"):
        lengths = pc.binary_length(values).to_numpy()
        return int(lengths.sum(dtype=np.int64)) + _varints(lengths)
    if kind == "array":
        counts = pc.list_value_length(values).to_numpy()
        # One block with its count, unless there is nothing in it; then the empty block.
        blocks = _varints(counts[counts > 0]) + len(values)
        return blocks + _bytes(schema["items"], values.flatten())
    if kind == "record":
        fields = schema["fields"]
        return sum(_bytes(field["type"], values.field(field["name"])) for field in fields)
    return _varints(values.cast(pa.int64()).to_numpy())


def _varints(numbers: Numbers) -> int:
    """Bytes of all these numbers: each takes one, and one more for each step that it reaches."""
    if not len(numbers):
        return 0
    wide = numbers.astype(np.int64)
    zigzag = ((wide << 1) ^ (wide >> 63)).view(np.uint64)
    largest = int(zigzag.max())
    return len(wide) + sum(
        int(np.count_nonzero(zigzag >= np.uint64(step))) for step in _STEPS if step <= largest
    )
