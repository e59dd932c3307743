"""`KafkaView` of a real cluster, by librdkafka's admin client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from confluent_kafka.admin import AdminClient

from clickstream.operations.doctor.clients import Cluster, Group
from core.kafka.offsets import KafkaOffsets
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.topic_admin import describe_topics
from schemas.topics import Topics, TopicState


class LiveKafka:
    """Connects when it is first asked."""

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

    def lag(self) -> Mapping[str, int]:
        names = Topics.from_settings(self._settings)
        return asyncio.run(self._lag((names.sessions, names.events, names.marks)))

    async def _lag(self, topics: tuple[str, ...]) -> dict[str, int]:
        offsets = KafkaOffsets(
            self._settings.kafka_options(),
            group=self._settings.worker.group,
            request_seconds=self._request_seconds,
        )
        counts = {topic: await offsets.partitions(topic) for topic in topics}
        places = [Partition(topic, n) for topic, count in counts.items() for n in range(count)]
        # Committed first: an end that is asked later can only be further, so no lag is negative.
        committed = await offsets.committed(places)
        ends = await offsets.ends(places)
        return {
            topic: sum(ends[p] - committed[p] for p in places if p.topic == topic)
            for topic in topics
        }

    def _admin(self) -> AdminClient:
        """To be held until it has answered: without it, its pending answers are destroyed."""
        # Its own log lines would repeat on stderr what the finding says.
        return AdminClient({**self._settings.kafka_options(), "log_level": "0"})
