"""`MetricList`: declares Prometheus metrics and keeps a description of each.

Documentation, dashboards and alert rules are checked against the descriptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prometheus_client import Counter, Gauge, Histogram


class Unit(StrEnum):
    """What a value counts or measures."""

    ONE = "1"
    BYTES = "bytes"
    CONNECTIONS = "connections"
    EVENTS = "events"
    FILES = "files"
    IDS = "session ids"
    PARTS = "parts"
    RECORDS = "records"
    RELEASES = "releases"
    REQUESTS = "requests"
    ROWS = "rows"
    SECONDS = "seconds"
    SESSIONS = "sessions"
    TIMES = "times"


# What each label says. A metric may have no other label.
LABELS: Final = {
    "cause": "what took it away: `erasure` or `mark`",
    "key": "name of the caller's API key; `(none)` without a valid key",
    "method": "HTTP method; `other` for one that HTTP does not define",
    "partition": "number of the partition",
    "problem": "end of the problem document's `type`, such as `broker-unavailable`",
    "query": "name of the query (a file in `api/sql/`)",
    "reason": "why the record cannot be processed (docs/dead-letters.md)",
    "route": "path of the route; `unrouted` for a path that no route has",
    "server": "error that the server caused, such as `SinkUnavailable`",
    "status": "HTTP status; 499: the client hung up first",
    "table": "table in ClickHouse",
    "topic": "topic in Kafka",
    "version": "version of clickstream",
    "what": "`session`: whether sessions are stored; `waiting`: how many events wait for them",
}


@dataclass(frozen=True, slots=True)
class MetricDescription:
    """One metric. `name` is that of Prometheus: a counter's ends in `_total`."""

    name: str
    kind: str
    unit: Unit
    meaning: str
    labels: tuple[str, ...]


class MetricList:
    """Every metric that was declared with it, in the order of declaration."""

    def __init__(self) -> None:
        self.descriptions: list[MetricDescription] = []

    def counter(self, name: str, unit: Unit, meaning: str, *labels: str) -> Counter:
        """Declare a counter. `name` ends in `_total`."""
        self._describe(name, "counter", unit, meaning, labels)
        return Counter(name, meaning, labels)

    def gauge(self, name: str, unit: Unit, meaning: str, *labels: str) -> Gauge:
        """Declare a gauge."""
        self._describe(name, "gauge", unit, meaning, labels)
        return Gauge(name, meaning, labels)

    def histogram(
        self, name: str, unit: Unit, meaning: str, *labels: str, buckets: Sequence[float]
    ) -> Histogram:
        """Declare a histogram. Its series end in `_bucket`, `_sum` and `_count`."""
        self._describe(name, "histogram", unit, meaning, labels)
        return Histogram(name, meaning, labels, buckets=buckets)

    def _describe(
        self, name: str, kind: str, unit: Unit, meaning: str, labels: Sequence[str]
    ) -> None:
        self.descriptions.append(MetricDescription(name, kind, unit, meaning, tuple(labels)))
