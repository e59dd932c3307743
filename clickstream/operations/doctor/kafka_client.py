"""Ask a Kafka cluster for its topics, and for the group of the workers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from confluent_kafka.admin import AdminClient

from core.kafka.offsets import KafkaOffsets
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.topic_admin import describe_topics
from schemas.topics import Topics, TopicState


@dataclass(frozen=True, slots=True)
class Cluster:
    """The id of a cluster, and the number of its brokers."""

    cluster_id: str
    brokers: int


@dataclass(frozen=True, slots=True)
class Lag:
    """Records that the workers have not committed yet. They cannot read the last `held` of them
    before a transaction ends."""

    records: int
    held: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """The workers' consumer group: Kafka's word for its state, and the number of members."""

    name: str
    state: str
    members: int


class KafkaClient(Protocol):
    """A Kafka cluster.

    Every method asks it anew and blocks for a bounded time. Raises the error of the client library,
    or BrokerUnavailable.
    """

    def cluster(self) -> Cluster: ...

    def topics(self) -> Mapping[str, TopicState]:
        """The topics of ours that exist, by name."""
        ...

    def group(self) -> Group: ...

    def lag(self) -> Mapping[str, Lag]:
        """How far the workers are behind, of sessions, events and marks."""
        ...


class KafkaAdmin:
    """`KafkaClient` over librdkafka's admin client. Connects at the first question."""

    def __init__(self, settings: Settings, request_seconds: float) -> None:
        self._settings = settings
        self._request_seconds = request_seconds

    def cluster(self) -> Cluster:
        admin = self._admin()
        answer = admin.describe_cluster(request_timeout=self._request_seconds)
        described = answer.result(self._request_seconds)
        return Cluster(described.cluster_id, len(described.nodes))

    def topics(self) -> Mapping[str, TopicState]:
        return describe_topics(self._settings)

    def group(self) -> Group:
        name = self._settings.worker.group
        admin = self._admin()
        answers = admin.describe_consumer_groups([name], request_timeout=self._request_seconds)
        described = answers[name].result(self._request_seconds)
        return Group(name, described.state.name.lower(), len(described.members))

    def lag(self) -> Mapping[str, Lag]:
        names = Topics.from_settings(self._settings)
        return asyncio.run(self._lag((names.sessions, names.events, names.marks)))

    async def _lag(self, topics: tuple[str, ...]) -> dict[str, Lag]:
        offsets = KafkaOffsets(
            self._settings.kafka_options(),
            group=self._settings.worker.group,
            request_seconds=self._request_seconds,
        )
        counts = {topic: await offsets.partitions(topic) for topic in topics}
        partitions = [Partition(topic, n) for topic, count in counts.items() for n in range(count)]
        # Committed offsets first: the ends can only grow in between, so no lag is negative.
        committed = await offsets.committed(partitions)
        stable = await offsets.stable_ends(partitions)
        ends = await offsets.ends(partitions)
        return {
            topic: Lag(
                sum(ends[p] - committed[p] for p in partitions if p.topic == topic),
                sum(ends[p] - stable[p] for p in partitions if p.topic == topic),
            )
            for topic in topics
        }

    def _admin(self) -> AdminClient:
        """The caller holds it until the answer is there: its pending answers end with it."""
        # Without log lines: they would repeat on stderr what the check's result says.
        return AdminClient({**self._settings.kafka_options(), "log_level": "0"})
