"""What the checks may ask of the servers. Every method asks anew, and raises a ClickstreamError
(or the client library's own error) when the server does not answer; none waits without limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.topics import TopicState


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kafka cluster as it describes itself."""

    cluster_id: str
    brokers: int


@dataclass(frozen=True, slots=True)
class Group:
    """The sink's consumer group: `state` is Kafka's own word, `members` how many consumers."""

    name: str
    state: str
    members: int


@dataclass(frozen=True, slots=True)
class Registered:
    """The newest schema of a subject."""

    schema_id: int
    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of a table read with FINAL as its readers do, and its distinct keys."""

    rows: int
    keys: int


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer of `/readyz`."""

    status: int
    body: str


class KafkaView(Protocol):
    """Kafka, as far as a doctor cares."""

    def cluster(self) -> Cluster: ...

    def topics(self) -> Mapping[str, TopicState]:
        """Ours that exist, by name."""
        ...

    def group(self) -> Group: ...

    def lag(self) -> Mapping[str, int]:
        """Records that the sink has not committed yet, by topic: sessions, events, marks."""
        ...


class RegistryView(Protocol):
    """The schema registry."""

    def subjects(self) -> Sequence[str]: ...

    def latest(self, subject: str) -> Registered | None:
        """None when the registry does not know the subject."""
        ...

    def compatibility(self, subject: str) -> str:
        """The level in force for the subject, its own or the registry's."""
        ...


class ClickHouseView(Protocol):
    """ClickHouse, in the database of the settings."""

    def version(self) -> str: ...

    def drift(self) -> Sequence[str]:
        """In what the live schema differs from the declared one, each in a sentence."""
        ...

    def counts(self) -> Mapping[str, Counts]:
        """Of `sessions` and `events`."""
        ...

    def namesakes(self) -> int:
        """Sessions that count and have the hash of one that was marked irrelevant."""
        ...

    def dead_letters(self) -> Mapping[str, int]:
        """How many wait for somebody, by reason."""
        ...

    def unjoined(self) -> tuple[int, int]:
        """How many events wait for their session, and the age of the oldest in seconds."""
        ...


class HttpView(Protocol):
    """The HTTP processes."""

    @property
    def url(self) -> str:
        """Where it is looked for."""
        ...

    def readiness(self) -> Readiness | None:
        """None when nobody listens there."""
        ...
