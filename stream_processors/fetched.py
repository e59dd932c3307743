"""What the transport hands on: the records of one fetch from one partition, as they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Partition(NamedTuple):
    """A partition of a topic; equal to and hashing like Kafka clients' own (topic, partition)."""

    topic: str
    partition: int


class Record(Protocol):
    """One Kafka record. aiokafka's `ConsumerRecord` is one; so is a test's dataclass."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class FetchedBatch:
    """Records of one partition, ascending by offset, with the range of the log that they cover.

    `first` ≤ every record's offset < `next`. The range may hold more offsets than records:
    transaction markers and compacted records take up offsets and are never delivered.
    `generation` is that of the assignment under which it was fetched.
    """

    source: Partition
    generation: int
    first: int
    next: int
    records: Sequence[Record]

    def __len__(self) -> int:
        return len(self.records)
