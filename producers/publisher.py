"""`Publisher`: records → Kafka, acknowledged. The promise, and one in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from core.consistency.position import Position
from core.errors import Unavailable
from core.kafka.partitioner import partition_of
from schemas.codec import Encoder
from schemas.contracts import Contract
from schemas.topics import Topics

Records = Sequence[Mapping[str, Any]]


class Publisher(Protocol):
    """Where the edge writes. One per process and event loop, shared by all requests."""

    async def start(self) -> None:
        """Connect. A server that is down is no error: `ready` says so, and `publish` raises."""
        ...

    async def stop(self) -> None:
        """Deliver or give up what is under way, within seconds; also after a failed `start`."""
        ...

    async def publish(self, contract: Contract, key: str, records: Records) -> Position:
        """Write the records, at least one, to the contract's topic, all under one key.

        Returns the place of the last one, once every one is on every in-sync replica. Raises
        BrokerUnavailable or RegistryUnavailable, within the acknowledgement timeout; then any part
        of the records may be stored or come to be stored, in order. Publishing again is harmless:
        whoever reads takes the first of its kind. ValueError or TypeError for a record that breaks
        its schema, and then nothing was written.
        """
        ...

    async def ready(self) -> Sequence[str]:
        """Why publishing would fail now; empty when it would not. Takes a second at most."""
        ...


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
        place = (self._topics.topic_of(contract), partition_of(key, self._partitions))
        offset = self._ends.get(place, 0)
        self._ends[place] = offset + 1
        position = Position(*place, offset)
        self.log.append(Published(contract, key, dict(record), position))
        return position
