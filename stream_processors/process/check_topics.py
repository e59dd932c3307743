"""Refuses topics that are not those of the settings, before a record of them is judged.

With another partition count, good records would be rejected as written to the wrong partition. In a
topic that was made anew, offsets begin again, and with them the versions of rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import SetupError
from core.settings import Settings
from schemas.topic_admin import TopicIdentity, identify_topics
from schemas.topics import Topics, check_partition_count


class TopicCheck:
    """Call it at the start and at each assignment. For one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        topics = Topics.from_settings(settings)
        self._names = (topics.sessions, topics.events, topics.marks)
        self._known: dict[str, str] = {}

    def __call__(self) -> None:
        """Blocks. A topic that is not there yet is nobody's mistake.

        Raises BrokerUnavailable; SetupError for another partition count than the settings have, and
        for a topic that is not the one of the first call.
        """
        self.compare(identify_topics(self._settings, self._names))

    def compare(self, found: Mapping[str, TopicIdentity]) -> None:
        """The same, with the answer of Kafka."""
        for name, topic in found.items():
            check_partition_count(name, self._settings.topics.partitions, topic.partitions)
            if self._known.setdefault(name, topic.topic_id) != topic.topic_id:
                raise SetupError(
                    f"topic {name} was deleted and made anew while this worker ran: start it again"
                )
