"""`MemoryPublisher`: a `producers.publisher.Publisher` without a broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.consistency.position import Position
from core.errors import Unavailable
from core.kafka.partitioner import partition_of
from producers.publisher import Records
from schemas.codec import Encoder
from schemas.contracts import Contract
from schemas.topics import Topics


@dataclass(frozen=True, slots=True)
class Published:
    """One record in a `MemoryPublisher`."""

    contract: Contract
    key: str
    record: Mapping[str, Any]
    position: Position


class MemoryPublisher:
    """The same promises without a broker. `failing` is raised instead of publishing when set."""

    def __init__(self, topics: Topics, partitions: int = 8) -> None:
        self.log: list[Published] = []
        self.failing: Unavailable | None = None
        self._topics = topics
        self._partitions = partitions
        self._ends: dict[tuple[str, int], int] = {}

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def publish(self, contract: Contract, key: str, records: Records) -> Position:
        if self.failing is not None:
            raise self.failing
        for record in records:
            Encoder(contract, schema_id=0).encode(record)
        return [self._append(contract, key, record) for record in records][-1]

    async def ready(self) -> Sequence[str]:
        return [] if self.failing is None else [str(self.failing)]

    def _append(self, contract: Contract, key: str, record: Mapping[str, Any]) -> Position:
        partition = (self._topics.topic_of(contract), partition_of(key, self._partitions))
        offset = self._ends.get(partition, 0)
        self._ends[partition] = offset + 1
        position = Position(*partition, offset)
        self.log.append(Published(contract, key, dict(record), position))
        return position
