"""What the transport hands on: the records of one fetch from one partition, as they came.

Columns, not objects: a Python object per record costs more than decoding and joining it, and so
does freeing it later, when it has left the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.kafka.partitions import Partition
from schemas.dead_letters import Headers


class Record(NamedTuple):
    """One Kafka record, where one has to be looked at by itself."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Records:
    """Records in the order of the log, as columns of equal length.

    `keys` and `values` are binary and may have nulls. `headers` has an entry for each record that
    has any, by its row. `produced_ms` is Kafka's timestamp of the oldest, or of one before it in
    the same batch; 0 where it is not known.
    """

    offsets: npt.NDArray[np.int64]
    keys: pa.BinaryArray
    values: pa.BinaryArray
    headers: Mapping[int, Headers]
    undecodable: Mapping[int, str] = field(default_factory=dict)
    produced_ms: int = 0

    @classmethod
    def of(cls, records: Iterable[Record]) -> Records:
        """The same records, in columns."""
        rows = list(records)
        return cls(
            np.array([record.offset for record in rows], dtype=np.int64),
            pa.array([record.key for record in rows], pa.binary()),
            pa.array([record.value for record in rows], pa.binary()),
            {row: record.headers for row, record in enumerate(rows) if record.headers},
        )

    @classmethod
    def concat(cls, parts: Sequence[Records]) -> Records:
        """One after the other."""
        if len(parts) == 1:
            return parts[0]
        headers: dict[int, Headers] = {}
        undecodable: dict[int, str] = {}
        start = 0
        for part in parts:
            headers.update((start + row, found) for row, found in part.headers.items())
            undecodable.update((start + row, why) for row, why in part.undecodable.items())
            start += len(part)
        return cls(
            np.concatenate([part.offsets for part in parts]),
            pa.concat_arrays([part.keys for part in parts]),
            pa.concat_arrays([part.values for part in parts]),
            headers,
            undecodable,
            min(part.produced_ms for part in parts),
        )

    def __len__(self) -> int:
        return len(self.offsets)

    def since(self, offset: int) -> Records:
        """Those from this offset on; the same where that is all of them."""
        first = int(np.searchsorted(self.offsets, offset))
        if first == 0:
            return self
        return Records(
            self.offsets[first:],
            self.keys.slice(first),
            self.values.slice(first),
            {row - first: found for row, found in self.headers.items() if row >= first},
            {row - first: why for row, why in self.undecodable.items() if row >= first},
            self.produced_ms,
        )

    def until(self, offset: int) -> Records:
        """Those below this offset; the same where that is all of them."""
        end = int(np.searchsorted(self.offsets, offset))
        if end == len(self):
            return self
        return Records(
            self.offsets[:end],
            self.keys.slice(0, end),
            self.values.slice(0, end),
            {row: found for row, found in self.headers.items() if row < end},
            {row: why for row, why in self.undecodable.items() if row < end},
            self.produced_ms,
        )

    def record(self, row: int) -> Record:
        """One of them."""
        return Record(
            int(self.offsets[row]),
            self.keys[row].as_py(),
            self.values[row].as_py(),
            self.headers.get(row, ()),
        )


@dataclass(frozen=True, slots=True)
class FetchedBatch:
    """Records of one partition, ascending by offset, with the range of the log that they cover.

    `parts` are as they came off the wire, none of them empty.
    `first` ≤ every record's offset < `next`. The range may hold more offsets than records:
    transaction markers and compacted records take up offsets and are never delivered.
    `generation` is that of the assignment under which it was fetched.
    """

    source: Partition
    generation: int
    first: int
    next: int
    parts: Sequence[Records]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    @property
    def produced_ms(self) -> int:
        """When its oldest record was produced, milliseconds since the epoch; 0: not known."""
        return min(part.produced_ms for part in self.parts)

    @property
    def nbytes(self) -> int:
        """What the values hold, bytes; decoding and joining them takes several times that."""
        # `nbytes` of an array looks at its every offset, and takes 20 times as long.
        return sum(part.values.get_total_buffer_size() for part in self.parts)


def portions(batches: Sequence[FetchedBatch], most_bytes: int) -> Iterator[Sequence[FetchedBatch]]:
    """All of them in their order, so many at once as hold `most_bytes`; a larger one by itself."""
    portion: list[FetchedBatch] = []
    room = most_bytes
    for batch in batches:
        nbytes = batch.nbytes
        if portion and nbytes > room:
            yield portion
            portion, room = [], most_bytes
        portion.append(batch)
        room -= nbytes
    if portion:
        yield portion
