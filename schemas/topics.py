"""The topics: their names and subjects, how each is configured, and their creation.

Key = session_id (UTF-8), partitioner murmur2, equal partition counts: that is what puts a session's
sessions, events and marks before one worker. So a count is never changed in place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.errors import SetupError
from core.settings import Settings
from schemas.contracts import ERASURE, EVENT, MARK, SESSION, Contract

_DAY_MS = 24 * 60 * 60 * 1000

RETENTION_OPTIONS: Final = ("retention.ms", "segment.ms")
"""What follows from the retention of the settings."""

# What cannot be processed is kept there as it came, so its values are of no contract.
_DEAD_LETTERS: Final = "dead-letters"

# What a record may hold beyond the request's body: key, headers, the two times, batch framing.
# Avro itself is never longer than the JSON it came from. Too small: the broker refuses a request
# that the edge admitted.
_RECORD_OVERHEAD_BYTES = 64 * 1024


def max_record_bytes(settings: Settings) -> int:
    """The largest record on a topic that requests write to; a producer's `message.max.bytes`."""
    return settings.limits.body_bytes + _RECORD_OVERHEAD_BYTES


def max_dead_letter_bytes(settings: Settings) -> int:
    """The same for dead letters: a whole record, and as much again for one that is oversize."""
    return 2 * max_record_bytes(settings)


@dataclass(frozen=True, slots=True)
class Topics:
    """Full names of the topics."""

    sessions: str
    events: str
    marks: str
    dead_letters: str
    erasures: str

    @classmethod
    def from_settings(cls, settings: Settings) -> Topics:
        prefix = settings.topics.prefix
        sessions, events, marks, erasures = (
            prefix + contract.topic_suffix for contract in (SESSION, EVENT, MARK, ERASURE)
        )
        return cls(sessions, events, marks, prefix + _DEAD_LETTERS, erasures)

    def topic_of(self, contract: Contract) -> str:
        """The topic that holds this record, whichever version of it."""
        return {
            SESSION.name: self.sessions,
            EVENT.name: self.events,
            MARK.name: self.marks,
            ERASURE.name: self.erasures,
        }[contract.name]

    def subject_of(self, contract: Contract) -> str:
        """The registry's subject of the topic's values (Confluent's TopicNameStrategy)."""
        return self.topic_of(contract) + "-value"

    def all(self) -> tuple[str, ...]:
        return (self.sessions, self.events, self.marks, self.dead_letters, self.erasures)


@dataclass(frozen=True, slots=True)
class TopicDefinition:
    """A topic as it should be."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the broker has it; `config` holds every option, defaults included."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


def definitions(settings: Settings) -> tuple[TopicDefinition, ...]:
    """What `create_topics` makes and what drift is measured against."""
    topics = Topics.from_settings(settings)
    largest = dict.fromkeys(topics.all(), max_record_bytes(settings))
    largest[topics.dead_letters] = max_dead_letter_bytes(settings)
    configs = {name: _config(settings, max_bytes) for name, max_bytes in largest.items()}
    configs[topics.erasures] |= _KEPT_FOR_EVER
    return tuple(
        TopicDefinition(
            name, settings.topics.partitions, settings.topics.replication_factor, config
        )
        for name, config in configs.items()
    )


# What was erased must stay so for as long as there is a backup: only a newer record of the same key
# replaces one. Compaction passes over the segment that is written to, so that one is ended daily.
_KEPT_FOR_EVER: Final = {
    "cleanup.policy": "compact",
    "retention.ms": "-1",
    "segment.ms": str(_DAY_MS),
}


def _config(settings: Settings, max_bytes: int) -> dict[str, str]:
    days = min(settings.topics.retention_days, settings.retention_days or math.inf)
    retention_ms = int(days * _DAY_MS)
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(retention_ms),
        # A segment goes when its newest record is old enough: short segments keep the promise.
        "segment.ms": str(max(60_000, min(retention_ms, _DAY_MS))),
        "min.insync.replicas": str(settings.topics.min_insync_replicas),
        "unclean.leader.election.enable": "false",
        "max.message.bytes": str(max_bytes),
        # The broker's clock, not the producer's: a bulk load of old searches, or a host whose clock
        # is wrong, must neither be deleted at once nor live for ever, and replay by time is honest.
        "message.timestamp.type": "LogAppendTime",
        # As the producer compressed it: the broker need not unpack and pack it again.
        "compression.type": "producer",
    }


def drift(definition: TopicDefinition, state: TopicState) -> list[str]:
    """In what an existing topic differs from its definition, each in a sentence."""
    found = [
        f"{state.name}: {option} is {state.config.get(option)}, declared {wanted}"
        for option, wanted in sorted(definition.config.items())
        if state.config.get(option) != wanted
    ]
    if state.replication_factor != definition.replication_factor:
        found.append(
            f"{state.name}: replication factor is {state.replication_factor},"
            f" declared {definition.replication_factor}"
        )
    return found


def check_partitions(definition: TopicDefinition, state: TopicState) -> None:
    """SetupError when the topic exists with another partition count."""
    check_partition_count(state.name, definition.partitions, state.partitions)


def check_partition_count(topic: str, wanted: int, found: int) -> None:
    """SetupError when they differ."""
    if found != wanted:
        raise SetupError(
            f"topic {topic} has {found} partitions and the settings say"
            f" {wanted}. A partition count is never changed in place, because the"
            " sessions would move to other partitions than their events: set"
            f" CLICKSTREAM_TOPICS__PARTITIONS={found}, or choose another"
            " CLICKSTREAM_TOPICS__PREFIX and replay"
        )
