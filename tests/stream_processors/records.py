"""Records as a Kafka client would hand them over, for tests of the worker's pure core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.kafka.partitioner import partition_of
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.codec import Encoder
from schemas.contracts import EVENT, MARK, SESSION, Contract
from schemas.topics import Topics
from stream_processors.consume.batches import FetchedBatch, Record, Records
from tests.schemas.memory_registry import MemoryRegistry

PARTITIONS = 4
TOPICS = Topics.from_settings(Settings())
NOW_MS = 1_700_000_000_000


def session(session_id: str, objects: Sequence[str] = ("a", "b"), **fields: Any) -> dict[str, Any]:
    """A session record; `fields` override."""
    return {
        "session_id": session_id,
        "search_query": "boots",
        "search_results": [{"object_id": o, "rank": None, "meta": None} for o in objects],
        "created_at": NOW_MS,
        "received_at": NOW_MS,
        **fields,
    }


def event(session_id: str, event_id: str, object_id: str = "a", **fields: Any) -> dict[str, Any]:
    """An event record; `fields` override."""
    return {
        "session_id": session_id,
        "event_id": event_id,
        "object_id": object_id,
        "event_type": "click",
        "created_at": NOW_MS,
        "received_at": NOW_MS,
        **fields,
    }


def mark(session_id: str, is_irrelevant: bool = True) -> dict[str, Any]:
    """A mark record."""
    return {"session_id": session_id, "is_irrelevant": is_irrelevant, "received_at": NOW_MS}


@dataclass
class Log:
    """A Kafka in a list: append records, read them back as fetched batches."""

    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    records: dict[Partition, list[Record]] = field(default_factory=dict)

    def schema_id(self, contract: Contract) -> int:
        return self.registry.register(f"{TOPICS.topic_of(contract)}-value", contract.text)

    def append(self, record: Mapping[str, Any]) -> tuple[Partition, int]:
        """Append by what the record looks like; returns its place."""
        contract = _contract_of(record)
        value = Encoder(contract, self.schema_id(contract)).encode(record)
        key = str(record["session_id"])
        return self.append_raw(TOPICS.topic_of(contract), key, value)

    def append_raw(
        self, topic: str, key: str, value: bytes | None, partition: int | None = None
    ) -> tuple[Partition, int]:
        """Append bytes as they are, on the key's partition unless told otherwise."""
        number = partition_of(key, PARTITIONS) if partition is None else partition
        source = Partition(topic, number)
        log = self.records.setdefault(source, [])
        log.append(Record(len(log), key.encode(), value))
        return source, len(log) - 1

    def batch(
        self, source: Partition, first: int = 0, count: int | None = None, generation: int = 1
    ) -> FetchedBatch:
        """`count` records of a partition from `first` on."""
        log = self.records[source]
        next_ = len(log) if count is None else min(len(log), first + count)
        return FetchedBatch(source, generation, first, next_, [Records.of(log[first:next_])])

    def batches(self) -> list[FetchedBatch]:
        """Everything, one batch a partition."""
        return [self.batch(source) for source in self.records]


def _contract_of(record: Mapping[str, Any]) -> Contract:
    if "search_results" in record:
        return SESSION
    return EVENT if "event_id" in record else MARK
