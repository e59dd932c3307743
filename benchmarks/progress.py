"""How far a consumer group is: asked from outside, the same way for every contender."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from core.settings import Settings

_POLL_SECONDS = 0.02

_NO_COORDINATOR_YET = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)


class GroupProgress:
    """The sum of a group's committed offsets over whole topics."""

    def __init__(self, settings: Settings, group: str, topics: list[str]) -> None:
        # A consumer that never subscribes is no member of the group; it may ask all the same.
        self._consumer = Consumer({**settings.kafka_options(), "group.id": group})
        self._partitions = [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ]

    @classmethod
    @contextmanager
    def from_settings(cls, settings: Settings, group: str, topics: list[str]) -> Iterator[Self]:
        """Closed at the end."""
        progress = cls(settings, group, topics)
        try:
            yield progress
        finally:
            progress._consumer.close()

    def committed(self) -> int:
        """Records behind the group; 0 before its first commit, and before it has a coordinator."""
        try:
            found = self._consumer.committed(self._partitions, timeout=10)
        except KafkaException as error:
            if error.args[0].code() in _NO_COORDINATOR_YET:
                return 0
            raise
        return sum(max(0, partition.offset) for partition in found)

    def end(self) -> int:
        """Records in the topics. Nothing of a benchmark is deleted or transactional."""
        return sum(
            self._consumer.get_watermark_offsets(partition, timeout=10)[1]
            for partition in self._partitions
        )

    def wait(self, records: int, seconds: float) -> int:
        """Return the committed count once it is that many; TimeoutError when it is not."""
        deadline = time.monotonic() + seconds
        while (done := self.committed()) < records:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{done} of {records} records after {seconds:.0f} s")
            time.sleep(_POLL_SECONDS)
        return done
