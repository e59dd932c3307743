"""How far a replay has come: offsets that are committed for the group `<workers' group>-replay`.

Nobody joins that group. The text beside each offset says which replay it belongs to, so that only
the same replay goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaException, TopicPartition

from clickstream.operations.log_offsets import Offsets
from clickstream.operations.replay.start_point import Origin
from core.clickhouse import database_of
from core.errors import BrokerUnavailable
from core.settings import Settings

_REQUEST_SECONDS = 15.0
_DONE = "done"


class ResumePoint:
    """Every method blocks; raises BrokerUnavailable."""

    def __init__(self, consumer: Consumer, replay: str) -> None:
        """`replay`: which one it is."""
        self._consumer = consumer
        self._replay = replay

    def load(self, starts: Offsets, ends: Offsets) -> Offsets:
        """Where to begin: where the same replay was cut short, else at `starts`."""
        try:
            found = self._consumer.committed(
                [TopicPartition(*partition) for partition in starts], timeout=_REQUEST_SECONDS
            )
        except KafkaException as error:
            raise _unavailable(error) from error
        reached = {(p.topic, p.partition): p for p in found if p.metadata == self._replay}
        return {
            partition: reached[partition].offset
            if partition in reached and start <= reached[partition].offset <= ends[partition]
            else start
            for partition, start in starts.items()
        }

    def save(self, reached: Offsets) -> None:
        """Remember it."""
        self._commit(reached, self._replay)

    def clear(self, ends: Offsets) -> None:
        """The replay is done: the next one begins where it is told to."""
        self._commit(ends, _DONE)

    def _commit(self, offsets: Offsets, text: str) -> None:
        try:
            self._consumer.commit(
                offsets=[TopicPartition(*p, offset, text) for p, offset in offsets.items()],
                asynchronous=False,
            )
        except KafkaException as error:
            raise _unavailable(error) from error


@contextmanager
def resume_point(settings: Settings, origin: Origin) -> Iterator[ResumePoint]:
    """Of a replay from `origin` into the settings' database."""
    consumer = Consumer(
        {
            **settings.kafka_options(),
            "group.id": f"{settings.worker.group}-replay",
            "enable.auto.commit": False,
            "log_level": "0",
        }
    )
    try:
        yield ResumePoint(consumer, f"from {origin} into {database_of(settings)}")
    finally:
        consumer.close()


def _unavailable(error: BaseException) -> BrokerUnavailable:
    return BrokerUnavailable(f"Kafka does not keep how far the replay is: {error}")
