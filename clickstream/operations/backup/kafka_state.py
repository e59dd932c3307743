"""The state of our topics in Kafka, and the offsets of the workers' group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from confluent_kafka import (
    Consumer,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from clickstream.operations.backup.manifest import SavedTopic
from clickstream.operations.backup.offsets import LiveTopic
from core.errors import BrokerUnavailable, SetupError
from core.kafka.offsets import is_transient
from core.kafka.partitions import Partition
from core.retrying import retry
from core.settings import Settings
from schemas.topic_admin import describe_topics
from schemas.topics import Topics, definitions

T = TypeVar("T")

_REQUEST_SECONDS: Final = 15.0
_RETRY_SECONDS: Final = 0.2


class KafkaState:
    """Reads the topics and the group's offsets, and sets the offsets.

    Every method blocks for a bounded time, asks Kafka anew, and raises BrokerUnavailable.
    """

    def __init__(self, settings: Settings) -> None:
        """Connects at the first question. The caller closes it."""
        self._settings = settings
        self._options = {**settings.kafka_options(), "log_level": "0"}
        self._admin = AdminClient({**self._options})
        # It never subscribes, so it is no member of the group. The admin client's own request for
        # a group's offsets can crash librdkafka.
        self._group = Consumer(
            {**self._options, "group.id": settings.worker.group, "enable.auto.commit": False}
        )

    def close(self) -> None:
        """Close the connections."""
        self._group.close()

    def snapshot(self) -> tuple[SavedTopic, ...]:
        """Our topics, with the committed offsets.

        The committed offsets are read first: every record below them is in the tables of any later
        moment.
        """
        committed = self.committed(consumed_topics(self._settings))
        found, current = describe_topics(self._settings), self.current()
        wanted = {each.name: each.config for each in definitions(self._settings)}
        return tuple(
            SavedTopic(
                name,
                topic.topic_id,
                {option: found[name].config.get(option, "") for option in wanted[name]},
                [committed.get(Partition(name, number)) for number in range(len(topic.ends))],
                topic.ends,
            )
            for name, topic in current.items()
        )

    def current(self) -> Mapping[str, LiveTopic]:
        """The topics of ours that exist, by name."""
        names = list(describe_topics(self._settings))
        if not names:
            return {}
        described = self._ask(
            lambda: {
                name: future.result(_REQUEST_SECONDS)
                for name, future in self._admin.describe_topics(
                    TopicCollection(names), request_timeout=_REQUEST_SECONDS
                ).items()
            }
        )
        current = {}
        for name, topic in described.items():
            watermarks = [self._watermarks(name, number) for number in range(len(topic.partitions))]
            low_watermarks, ends = zip(*watermarks, strict=True)
            current[name] = LiveTopic(str(topic.topic_id), low_watermarks, ends)
        return current

    def committed(self, topics: Sequence[str]) -> Mapping[Partition, int]:
        """The offsets that the workers have committed. A partition without one is left out."""
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in range(self._settings.topics.partitions)
        ]
        answer = self._ask(lambda: self._group.committed(partitions, timeout=_REQUEST_SECONDS))
        return {
            Partition(partition.topic, partition.partition): partition.offset
            for partition in answer
            if partition.offset >= 0
        }

    def set_committed(self, offsets: Mapping[Partition, int]) -> None:
        """Set the offsets from which the workers go on.

        Raises SetupError while workers run: they would overwrite the offsets.
        """
        partitions = [TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        try:
            _retry_transient(lambda: self._group.commit(offsets=partitions, asynchronous=False))
        except KafkaException as error:
            raise SetupError(
                f"Kafka does not let group {self._settings.worker.group} begin elsewhere"
                f" ({error.args[0].str()}): stop the workers"
            ) from error
        if dict(self.committed(sorted({partition.topic for partition in offsets}))) != dict(
            offsets
        ):
            raise SetupError("Kafka did not keep the workers' offsets: restore again")

    def _watermarks(self, topic: str, number: int) -> tuple[int, int]:
        partition = TopicPartition(topic, number)
        low, end = self._ask(
            lambda: self._group.get_watermark_offsets(partition, timeout=_REQUEST_SECONDS)
        )
        return int(low), int(end)

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            return _retry_transient(question)
        except (KafkaException, TimeoutError) as error:
            raise BrokerUnavailable(
                f"Kafka at {self._settings.kafka_bootstrap_servers} does not answer ({error}):"
                " start it, or set CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS"
            ) from error


def consumed_topics(settings: Settings) -> tuple[str, ...]:
    """The topics that the workers consume: sessions, events, marks."""
    topics = Topics.from_settings(settings)
    return topics.sessions, topics.events, topics.marks


def _retry_transient(question: Callable[[], T]) -> T:
    """Repeat the request while it fails with a transient error."""
    return retry(
        question,
        seconds=_REQUEST_SECONDS,
        when=is_transient,
        first_pause=_RETRY_SECONDS,
        longest_pause=_RETRY_SECONDS,
    )
