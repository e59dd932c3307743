"""`Offsets` without a broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from core.errors import BrokerUnavailable
from core.kafka.partitions import Partition


class MemoryOffsets:
    """A log that only counts its records, and the commits of a sink."""

    def __init__(self, topics: Mapping[str, int]) -> None:
        """`topics` maps each topic to its number of partitions."""
        self._partitions = dict(topics)
        self._ends: Counter[Partition] = Counter()
        self._committed: Counter[Partition] = Counter()

    def append(self, topic: str, partition: int) -> int:
        """Write one record; its offset."""
        place = Partition(topic, partition)
        self._ends[place] += 1
        return self._ends[place] - 1

    def commit(self, topic: str, partition: int, offset: int) -> None:
        """The sink has written everything below `offset`."""
        self._committed[Partition(topic, partition)] = offset

    def commit_all(self) -> None:
        """The sink has written everything."""
        self._committed = self._ends.copy()

    async def partitions(self, topic: str) -> int:
        if topic not in self._partitions:
            raise BrokerUnavailable(f"there is no topic {topic}: run `clickstream topics`")
        return self._partitions[topic]

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return {partition: self._ends[partition] for partition in partitions}

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return {partition: self._committed[partition] for partition in partitions}
