"""The offsets of the three topics: how far they reach, and how far the workers have written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from confluent_kafka import (
    OFFSET_INVALID,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public by its documentation

from core.errors import BrokerUnavailable, SetupError
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.topic_admin import describe_topics
from schemas.topics import Topics, check_partitions, definitions

T = TypeVar("T")

Offsets = Mapping[Partition, int]

# Each question takes milliseconds; a broker that changes its role takes seconds.
_REQUEST_SECONDS = 15.0

# Kafka answers these for a group that nobody has ever joined, or that it has forgotten.
_NO_SUCH_GROUP = frozenset({KafkaError.GROUP_ID_NOT_FOUND})

_EARLIEST = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the library's gap
_LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the library's gap


class LogOffsets:
    """Of the sessions, events and marks topics. Every method asks anew and is bounded in time.

    All raise BrokerUnavailable when the answer cannot be had.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises SetupError when a topic is missing or has another partition count."""
        self._admin = AdminClient({**settings.kafka_options(), "log_level": "0"})
        self._group = settings.worker.group
        topics = Topics.from_settings(settings)
        joined = (topics.sessions, topics.events, topics.marks)
        found = describe_topics(settings)
        for definition in definitions(settings):
            if definition.name in joined and definition.name not in found:
                raise SetupError(f"there is no topic {definition.name} to replay")
            if definition.name in joined:
                check_partitions(definition, found[definition.name])
        self.partitions = tuple(
            Partition(topic, number)
            for topic in joined
            for number in range(settings.topics.partitions)
        )

    def ends(self) -> Offsets:
        """The last stable offset of each partition: records beyond it may still be aborted."""
        return {place: offset for place, (offset, _) in self.find(_LATEST).items()}

    def lows(self) -> Offsets:
        """The first offset that is left of each partition."""
        return {place: offset for place, (offset, _) in self.find(_EARLIEST).items()}

    def since(self, ms: int) -> Mapping[Partition, tuple[int, int]]:
        """The first record not older than `ms`, as (offset, timestamp); (−1, −1) for none."""
        return self.find(OffsetSpec.for_timestamp(ms))

    def committed(self) -> Offsets:
        """Up to where the workers have written each partition; those never committed are left
        out."""
        places = [TopicPartition(*place) for place in self.partitions]
        answer = self._ask(
            lambda: self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(self._group, places)],
                request_timeout=_REQUEST_SECONDS,
            )[self._group].result(_REQUEST_SECONDS)
        )
        return {
            Partition(place.topic, place.partition): place.offset
            for place in answer.topic_partitions
            if place.offset != OFFSET_INVALID
        }

    def workers(self) -> int:
        """How many workers are members of the group now."""
        described = self._admin.describe_consumer_groups(
            [self._group], request_timeout=_REQUEST_SECONDS
        )[self._group]
        try:
            return len(described.result(_REQUEST_SECONDS).members)
        except KafkaException as error:
            if error.args[0].code() in _NO_SUCH_GROUP:
                return 0
            raise _silent(error) from error

    def find(self, spec: OffsetSpec) -> Mapping[Partition, tuple[int, int]]:
        """Offset and timestamp per partition; −1 for what there is not."""
        answers = self._admin.list_offsets(
            {TopicPartition(*place): spec for place in self.partitions},
            # As the workers read: nothing that a transaction may still take back.
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=_REQUEST_SECONDS,
        )
        listed = {}
        for place, future in answers.items():
            result = self._ask(partial(future.result, _REQUEST_SECONDS))
            listed[Partition(place.topic, place.partition)] = (result.offset, result.timestamp)
        return listed

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except (KafkaException, TimeoutError) as error:
            raise _silent(error) from error


def _silent(error: BaseException) -> BrokerUnavailable:
    return BrokerUnavailable(f"Kafka did not say how far its log reaches: {error}")
