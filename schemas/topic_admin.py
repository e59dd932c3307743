"""Topics on the broker: describe them, create missing ones, set their retention."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked as exported
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
    TopicDescription,
)

from core.errors import BrokerUnavailable, SetupError
from core.settings import Settings
from schemas.topics import (
    RETENTION_OPTIONS,
    TopicDefinition,
    TopicState,
    check_partitions,
    definitions,
    drift,
)

T = TypeVar("T")

# An admin request is answered in milliseconds; a broker that has just started takes seconds.
_TIMEOUT_SECONDS: Final = 10.0

_POLL_SECONDS: Final = 0.05

_NO_ANSWER: Final = (
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._RESOLVE,
)


@dataclass(frozen=True, slots=True)
class CreatedTopics:
    """What `create_topics` did: names made now, and in what the others differ."""

    created: tuple[str, ...]
    drift: tuple[str, ...]


def describe_topics(settings: Settings) -> dict[str, TopicState]:
    """Our topics that exist, by name. Raises BrokerUnavailable."""
    broker = _Broker(settings)
    return broker.describe([definition.name for definition in definitions(settings)])


@dataclass(frozen=True, slots=True)
class TopicIdentity:
    """What tells a topic from one that was made anew under its name, and its partition count."""

    topic_id: str
    partitions: int


def identify_topics(settings: Settings, names: Sequence[str]) -> dict[str, TopicIdentity]:
    """Those of the topics that exist, by name. Whoever may read a topic may ask this.

    Raises BrokerUnavailable, and SetupError when Kafka refuses the answer.
    """
    return _Broker(settings).identify(names)


def create_topics(settings: Settings) -> CreatedTopics:
    """Create the missing topics. Existing ones are compared and never changed.

    Idempotent, also when several processes do it at once. Raises BrokerUnavailable, and SetupError
    when a topic has another partition count or the broker refuses to make it.
    """
    broker = _Broker(settings)
    wanted = {definition.name: definition for definition in definitions(settings)}
    known = broker.describe(list(wanted))
    created = [
        name
        for name, definition in wanted.items()
        if name not in known and broker.create(definition)
    ]
    found = broker.describe_all(list(wanted))
    differences: list[str] = []
    for name, definition in wanted.items():
        check_partitions(definition, found[name])
        differences += drift(definition, found[name])
    return CreatedTopics(tuple(created), tuple(differences))


def set_topic_retention(settings: Settings) -> tuple[str, ...]:
    """Set the retention of existing topics; returns the names of those that changed.

    No other option is ever changed in place. This one alters what is deleted, not what a record is.
    Raises BrokerUnavailable, SetupError.
    """
    broker = _Broker(settings)
    wanted = definitions(settings)
    states = broker.describe([topic.name for topic in wanted])
    changed = []
    for topic in wanted:
        options = {
            option: topic.config[option]
            for option in RETENTION_OPTIONS
            if topic.name in states
            and states[topic.name].config.get(option) != topic.config[option]
        }
        if options:
            broker.alter(topic.name, options)
            changed.append(topic.name)
    return tuple(changed)


class _Broker:
    """The admin client of one Kafka, its errors translated."""

    def __init__(self, settings: Settings) -> None:
        # Its log lines would repeat on stderr, once a second, what the error says once.
        self._admin = AdminClient({**settings.kafka_options(), "log_level": "0"})
        self._servers = settings.kafka_bootstrap_servers
        self._timeout = _TIMEOUT_SECONDS

    def create(self, topic: TopicDefinition) -> bool:
        """False when another process was faster."""
        request = NewTopic(
            topic.name,
            num_partitions=topic.partitions,
            replication_factor=topic.replication_factor,
            config=dict(topic.config),
        )
        futures: dict[str, Future[None]] = self._admin.create_topics(
            [request], operation_timeout=self._timeout, request_timeout=self._timeout
        )
        try:
            futures[topic.name].result(self._timeout)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            raise self._translated(error, f"topic {topic.name} cannot be made") from error
        except TimeoutError as error:
            raise self._unavailable("no answer in time") from error
        return True

    def alter(self, topic: str, options: Mapping[str, str]) -> None:
        """Set these options and leave the others as they are."""
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in options.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        futures = self._admin.incremental_alter_configs([resource], request_timeout=self._timeout)
        self._ask(partial(futures[resource].result, self._timeout))

    def identify(self, names: Sequence[str]) -> dict[str, TopicIdentity]:
        """Those of the topics that exist."""
        futures = self._admin.describe_topics(
            TopicCollection(list(names)), request_timeout=self._timeout
        )
        found = {}
        for name, future in futures.items():
            topic = self._ask(partial(_result_or_none, future, self._timeout))
            if topic is not None:
                found[name] = TopicIdentity(str(topic.topic_id), len(topic.partitions))
        return found

    def describe(self, names: Sequence[str]) -> dict[str, TopicState]:
        """Those of the topics that exist."""
        metadata = self._ask(partial(self._admin.list_topics, timeout=self._timeout))
        present = [name for name in names if name in metadata.topics]
        configs = self._configs(present)
        states = {}
        for name in present:
            partitions = metadata.topics[name].partitions
            replicas = min((len(p.replicas) for p in partitions.values()), default=0)
            states[name] = TopicState(name, len(partitions), replicas, configs[name])
        return states

    def describe_all(self, names: Sequence[str]) -> dict[str, TopicState]:
        """All of the topics, once the brokers know what their controller has just made."""
        deadline = time.monotonic() + self._timeout
        while len(found := self.describe(names)) < len(names):
            if time.monotonic() > deadline:
                missing = ", ".join(name for name in names if name not in found)
                raise BrokerUnavailable(f"Kafka made {missing} and does not show it: try again")
            time.sleep(_POLL_SECONDS)
        return found

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        futures = self._admin.describe_configs(resources, request_timeout=self._timeout)
        configs = {}
        for resource, future in futures.items():
            entries = self._ask(partial(future.result, self._timeout))
            configs[resource.name] = {option: entry.value for option, entry in entries.items()}
        return configs

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except KafkaException as error:
            raise self._translated(error, "the topics cannot be read") from error
        except TimeoutError as error:
            raise self._unavailable("no answer in time") from error

    def _translated(self, error: KafkaException, what: str) -> BrokerUnavailable | SetupError:
        cause: KafkaError = error.args[0]
        if cause.code() in _NO_ANSWER:
            return self._unavailable(cause.str())
        return SetupError(f"{what}: {cause.str()}")

    def _unavailable(self, why: str) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"Kafka at {self._servers} does not answer ({why}):"
            " start it, or set CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS"
        )


def _result_or_none(future: Future[TopicDescription], seconds: float) -> TopicDescription | None:
    """None for a topic that does not exist."""
    try:
        return future.result(seconds)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise
