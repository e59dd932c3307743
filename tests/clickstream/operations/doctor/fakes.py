"""Servers in memory: healthy unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clickstream.operations.doctor.clickhouse_client import HealthCheck, NodeState, SplitSessions
from clickstream.operations.doctor.http_client import Readiness
from clickstream.operations.doctor.kafka_client import Cluster, Group, Lag
from core.settings import Settings
from schemas.contracts import ALL
from schemas.instrumentation import HEALTH_CHECKS
from schemas.registry import RegisteredSchema
from schemas.topics import Topics, TopicState, definitions

SETTINGS = Settings(_env_file=None)


def declared_topics() -> dict[str, TopicState]:
    return {
        d.name: TopicState(d.name, d.partitions, d.replication_factor, dict(d.config))
        for d in definitions(SETTINGS)
    }


def declared_schemas() -> dict[str, RegisteredSchema]:
    topics = Topics.from_settings(SETTINGS)
    return {
        subject: RegisteredSchema(subject, contract.version, n, contract.text)
        for n, contract in enumerate(ALL, 1)
        for subject in (topics.subject_of(contract),)
    }


@dataclass
class FakeKafka:
    """A broker that answers from its fields, or raises `down`."""

    members: int = 1
    states: dict[str, TopicState] = field(default_factory=declared_topics)
    lags: dict[str, Lag] = field(default_factory=lambda: {"sessions": Lag(0), "events": Lag(3)})
    down: Exception | None = None

    def cluster(self) -> Cluster:
        self._answer()
        return Cluster("c-1", 1)

    def topics(self) -> Mapping[str, TopicState]:
        self._answer()
        return self.states

    def group(self) -> Group:
        self._answer()
        return Group("clickstream-sink", "stable" if self.members else "empty", self.members)

    def lag(self) -> Mapping[str, Lag]:
        self._answer()
        return self.lags

    def _answer(self) -> None:
        if self.down:
            raise self.down


@dataclass
class FakeRegistry:
    """A registry that holds what `clickstream schemas` registers."""

    schemas: dict[str, RegisteredSchema] = field(default_factory=declared_schemas)
    level: str = "FULL_TRANSITIVE"
    down: Exception | None = None

    def subjects(self) -> Sequence[str]:
        if self.down:
            raise self.down
        return list(self.schemas)

    def latest(self, subject: str) -> RegisteredSchema | None:
        return self.schemas.get(subject)

    def compatibility(self, subject: str) -> str:
        return self.level if subject in self.schemas else ""


@dataclass
class FakeClickHouse:
    """A ClickHouse whose answers are its fields."""

    differences: list[str] = field(default_factory=list)
    tables: dict[str, SplitSessions] = field(
        default_factory=lambda: {"sessions": SplitSessions(2, 1, 0)}
    )
    collisions: int = 0
    pending: dict[str, int] = field(default_factory=dict)
    waiting: tuple[int, int] = (0, 0)
    health: dict[str, HealthCheck] = field(
        default_factory=lambda: {name: health_check(name) for name in HEALTH_CHECKS}
    )
    node_states: tuple[int, Sequence[NodeState]] = (0, ())
    down: Exception | None = None

    def version(self) -> str:
        if self.down:
            raise self.down
        return "26.7"

    def drift(self) -> Sequence[str]:
        return self.differences

    def nodes(self) -> tuple[int, Sequence[NodeState]]:
        return self.node_states

    def split_sessions(self) -> Mapping[str, SplitSessions]:
        return self.tables

    def hash_collisions(self) -> int:
        return self.collisions

    def dead_letters(self) -> Mapping[str, int]:
        return self.pending

    def unjoined(self) -> tuple[int, int]:
        return self.waiting

    def instrumentation(self) -> Mapping[str, HealthCheck]:
        return self.health


def health_check(finding: str, cases: int = 0, total: int = 1_000) -> HealthCheck:
    """It is found when there is a case."""
    return HealthCheck(
        finding, cases > 0, cases, total, 0.05, ["a", "b", "c"], "Means this.", "Do that.", 1
    )


@dataclass
class FakeHttp:
    """An HTTP process; `answer` is None when nothing listens."""

    answer: Readiness | None = field(default_factory=lambda: Readiness(200, "{}"))
    url: str = "http://127.0.0.1:8000"

    def readiness(self) -> Readiness | None:
        return self.answer
