"""What backup and restore ask of Kafka, and the one thing that they change: where the group is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from clickstream.operations.backup.manifest import SavedTopic
from clickstream.operations.backup.offsets import LiveTopic
from core.errors import BrokerUnavailable, SetupError
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.topic_admin import describe_topics
from schemas.topics import Topics, definitions

T = TypeVar("T")

_REQUEST_SECONDS: Final = 15.0
_ASK_AGAIN_SECONDS: Final = 0.2

# While the broker that looks after the group is found, or changes. It passes within seconds, also
# for a group that nobody has ever used.
_PASSING: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)


class Kafka:
    """Every method asks anew, is bounded in time, and raises BrokerUnavailable."""

    def __init__(self, settings: Settings) -> None:
        """Connects when it is first used. Close it afterwards."""
        self._settings = settings
        self._options = {**settings.kafka_options(), "log_level": "0"}
        self._admin = AdminClient({**self._options})
        # Never subscribes, so it is no member: it asks for the group's offsets, and sets them. The
        # admin client's own question for them can crash librdkafka.
        self._group = Consumer(
            {**self._options, "group.id": settings.worker.group, "enable.auto.commit": False}
        )

    def close(self) -> None:
        """It cannot be used afterwards."""
        self._group.close()

    def saved(self) -> tuple[SavedTopic, ...]:
        """Our topics as they are. What the workers have committed is asked first: all of it is in
        the tables of any later moment."""
        joined = joined_topics(self._settings)
        committed = self.committed(joined)
        found, live = describe_topics(self._settings), self.live()
        wanted = {each.name: each.config for each in definitions(self._settings)}
        return tuple(
            SavedTopic(
                name,
                topic.topic_id,
                {option: found[name].config.get(option, "") for option in wanted[name]},
                [committed.get(Partition(name, number)) for number in range(len(topic.ends))],
                topic.ends,
            )
            for name, topic in live.items()
        )

    def live(self) -> Mapping[str, LiveTopic]:
        """Those of our topics that exist."""
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
        live = {}
        for name, topic in described.items():
            extents = [self._extent(name, number) for number in range(len(topic.partitions))]
            lows, ends = zip(*extents, strict=True)
            live[name] = LiveTopic(str(topic.topic_id), lows, ends)
        return live

    def committed(self, topics: Sequence[str]) -> Mapping[Partition, int]:
        """Up to where the workers have written; partitions never committed are left out."""
        places = [
            TopicPartition(topic, number)
            for topic in topics
            for number in range(self._settings.topics.partitions)
        ]
        answer = self._ask(lambda: self._group.committed(places, timeout=_REQUEST_SECONDS))
        return {
            Partition(place.topic, place.partition): place.offset
            for place in answer
            if place.offset >= 0
        }

    def set_committed(self, offsets: Mapping[Partition, int]) -> None:
        """Where the workers begin. SetupError when some are running: they would overrule it."""
        places = [TopicPartition(*place, offset) for place, offset in offsets.items()]
        try:
            _patiently(lambda: self._group.commit(offsets=places, asynchronous=False))
        except KafkaException as error:
            raise SetupError(
                f"Kafka does not let group {self._settings.worker.group} begin elsewhere"
                f" ({error.args[0].str()}): stop the workers"
            ) from error
        if dict(self.committed(sorted({place.topic for place in offsets}))) != dict(offsets):
            raise SetupError("Kafka did not keep the workers' offsets: restore again")

    def _extent(self, topic: str, number: int) -> tuple[int, int]:
        place = TopicPartition(topic, number)
        low, end = self._ask(
            lambda: self._group.get_watermark_offsets(place, timeout=_REQUEST_SECONDS)
        )
        return int(low), int(end)

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            return _patiently(question)
        except (KafkaException, TimeoutError) as error:
            raise BrokerUnavailable(
                f"Kafka at {self._settings.kafka_bootstrap_servers} does not answer ({error}):"
                " start it, or set CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS"
            ) from error


def joined_topics(settings: Settings) -> tuple[str, ...]:
    """Those that workers read under their group."""
    topics = Topics.from_settings(settings)
    return topics.sessions, topics.events, topics.marks


def _patiently(question: Callable[[], T]) -> T:
    """Ask again while the answer is one that passes."""
    again = Retrying(
        retry=retry_if_exception(_passes),
        stop=stop_after_delay(_REQUEST_SECONDS),
        wait=wait_fixed(_ASK_AGAIN_SECONDS),
        reraise=True,
    )
    return again(question)


def _passes(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in _PASSING
