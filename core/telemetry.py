"""The Prometheus metrics of every process, in one list.

Every metric of every process is declared here and nowhere else. Call sites use the constants
directly (`WORKER_RECORDS.labels(topic).inc()`), so a search for a name finds each use. `METRICS`
describes them; docs/prometheus.md is written from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from typing import Final

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    disable_created_metrics,
)
from prometheus_client.registry import Collector

from core.metric_list import MetricList, Unit

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each: noise

METRICS: Final = MetricList()

# Seconds. From what a healthy acknowledgement takes (a few ms) to past the longest allowed wait.
_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Seconds. From some sessions to ten millions and more.
_RELEASE = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0)
# Seconds. From one flush on an idle system to an outage of an hour that is being caught up with.
_FRESHNESS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0)
# Rows. A flush goes from one row on an idle system to the configured 50,000 and what came with it.
_ROWS = (1, 10, 100, 1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 200_000)

BUILD_INFO = METRICS.gauge(
    "clickstream_build_info", Unit.ONE, "Always 1; the version is its label", "version"
)
BUILD_INFO.labels(version("clickstream")).set(1)

# Every HTTP process.
HTTP_REQUESTS = METRICS.counter(
    "clickstream_http_requests_total",
    Unit.REQUESTS,
    "Requests answered",
    *("route", "method", "status", "key"),
)
HTTP_SECONDS = METRICS.histogram(
    "clickstream_http_request_seconds",
    Unit.SECONDS,
    "From request to answer",
    *("route", "key"),
    buckets=_LATENCY,
)
HTTP_PROBLEMS = METRICS.counter(
    "clickstream_http_problems_total",
    Unit.REQUESTS,
    "Requests answered by a problem document",
    "problem",
)
HTTP_IN_FLIGHT = METRICS.gauge(
    "clickstream_http_requests_in_flight", Unit.REQUESTS, "Requests in progress"
)
HTTP_BYTES_IN_FLIGHT = METRICS.gauge(
    "clickstream_http_bytes_in_flight", Unit.BYTES, "Bytes of request bodies in progress"
)
HTTP_CONNECTIONS = METRICS.gauge(
    "clickstream_http_connections", Unit.CONNECTIONS, "Open connections"
)
HTTP_CONNECTIONS_REFUSED = METRICS.counter(
    "clickstream_http_connections_refused_total",
    Unit.CONNECTIONS,
    "Connections beyond the most that are allowed",
)

# The write edge.
EDGE_RECORDS = METRICS.counter(
    "clickstream_edge_records_total", Unit.RECORDS, "Records that Kafka acknowledged", "topic"
)
EDGE_PUBLISH_SECONDS = METRICS.histogram(
    "clickstream_edge_publish_seconds",
    Unit.SECONDS,
    "From record to acknowledgement",
    buckets=_LATENCY,
)
EDGE_UNACKNOWLEDGED = METRICS.counter(
    "clickstream_edge_unacknowledged_total",
    Unit.TIMES,
    "Publishes that Kafka did not acknowledge in time: the caller got a 503",
    "topic",
)
EDGE_PRODUCER_RESTARTS = METRICS.counter(
    "clickstream_edge_producer_restarts_total",
    Unit.TIMES,
    "Kafka producers replaced after a fatal error",
)
EDGE_PRODUCER_QUEUE = METRICS.gauge(
    "clickstream_edge_producer_queue",
    Unit.RECORDS,
    "Records and delivery reports that wait in the Kafka producer",
)

# The worker.
WORKER_RECORDS = METRICS.counter(
    "clickstream_worker_records_total", Unit.RECORDS, "Records consumed and written", "topic"
)
WORKER_LAG = METRICS.gauge(
    "clickstream_worker_lag",
    Unit.RECORDS,
    "Records between the end of the log and the commit, of the partitions of this worker",
    *("topic", "partition"),
)
WORKER_LAG_SECONDS = METRICS.gauge(
    "clickstream_worker_lag_seconds",
    Unit.SECONDS,
    "Age of the oldest record that is fetched and not written yet; 0 when there is none",
    *("topic", "partition"),
)
WORKER_FRESHNESS = METRICS.histogram(
    "clickstream_worker_freshness_seconds",
    Unit.SECONDS,
    "From the oldest record of a flush being produced to the flush being readable",
    buckets=_FRESHNESS,
)
WORKER_FLUSH_SECONDS = METRICS.histogram(
    "clickstream_worker_flush_seconds", Unit.SECONDS, "One flush, join to commit", buckets=_LATENCY
)
WORKER_FLUSH_ROWS = METRICS.histogram(
    "clickstream_worker_flush_rows", Unit.RECORDS, "Records in one flush", buckets=_ROWS
)
WORKER_FACTS_SECONDS = METRICS.histogram(
    "clickstream_worker_facts_seconds",
    Unit.SECONDS,
    "One refresh of facts, which is one thread of ClickHouse",
    buckets=_LATENCY,
)
WORKER_FACTS_LAG = METRICS.gauge(
    "clickstream_worker_facts_lag_seconds",
    Unit.SECONDS,
    "How long ago everything was written that the facts contain; 1 to 5 in good health",
)
WORKER_PARTS = METRICS.counter(
    "clickstream_worker_parts_total",
    Unit.PARTS,
    "Parts that inserts created in ClickHouse: one for each day of each insert",
    "table",
)
WORKER_TABLE_ROWS = METRICS.gauge(
    "clickstream_worker_table_rows",
    Unit.ROWS,
    "Rows in the table's parts, with those that merges have yet to drop."
    " Only on the worker that has partition 0",
    "table",
)
WORKER_TABLE_PARTS = METRICS.gauge(
    "clickstream_worker_table_parts",
    Unit.PARTS,
    "Active parts of the table. Only on the worker that has partition 0",
    "table",
)
WORKER_JOINED = METRICS.counter(
    "clickstream_worker_joined_total", Unit.EVENTS, "Events stored with their session"
)
WORKER_UNJOINED = METRICS.counter(
    "clickstream_worker_unjoined_total", Unit.EVENTS, "Events set aside until their session comes"
)
WORKER_ADOPTED = METRICS.counter(
    "clickstream_worker_adopted_total",
    Unit.EVENTS,
    "Events that had waited and found their session",
)
WORKER_LOOKED_UP = METRICS.counter(
    "clickstream_worker_looked_up_total",
    Unit.IDS,
    "Session ids that ClickHouse was asked for",
    "what",
)
WORKER_LOOK_UP_SECONDS = METRICS.histogram(
    "clickstream_worker_look_up_seconds",
    Unit.SECONDS,
    "One look-up in ClickHouse, waits for a server that is away included",
    "what",
    buckets=_LATENCY,
)
for _what in ("session", "waiting"):
    WORKER_LOOKED_UP.labels(_what)
    WORKER_LOOK_UP_SECONDS.labels(_what)
WORKER_DUPLICATES = METRICS.counter(
    "clickstream_worker_duplicates_total",
    Unit.RECORDS,
    "Records dropped because an earlier one won",
)
WORKER_ERASED = METRICS.counter(
    "clickstream_worker_erased_total",
    Unit.SESSIONS,
    "Sessions not stored because their user was erased",
)
WORKER_DEAD_LETTERS = METRICS.counter(
    "clickstream_worker_dead_letters_total",
    Unit.RECORDS,
    "Records that can never be processed",
    "reason",
)
WORKER_LOST = METRICS.counter(
    "clickstream_worker_lost_total",
    Unit.RECORDS,
    "Records that the topic's retention deleted before a worker had read them",
    "topic",
)
WORKER_RETRIES = METRICS.counter(
    "clickstream_worker_retries_total",
    Unit.TIMES,
    "Attempts repeated after a transient fault",
    "server",
)
WORKER_PAUSED = METRICS.gauge(
    "clickstream_worker_paused", Unit.TIMES, "Waits for a server that is down; 0 when there is none"
)
WORKER_ASSIGNMENTS = METRICS.counter(
    "clickstream_worker_assignments_total",
    Unit.TIMES,
    "Rebalances after which the group assigned partitions to this worker",
)
WORKER_INDEX_BYTES = METRICS.gauge(
    "clickstream_worker_index_bytes", Unit.BYTES, "Memory of the index of recent sessions"
)

# The read API.
READ_QUERY_SECONDS = METRICS.histogram(
    "clickstream_read_query_seconds",
    Unit.SECONDS,
    "One ClickHouse query",
    "query",
    buckets=_LATENCY,
)
READ_WAIT_SECONDS = METRICS.histogram(
    "clickstream_read_wait_seconds",
    Unit.SECONDS,
    "Waits for the sink before an answer",
    buckets=_LATENCY,
)
READ_WAITERS = METRICS.gauge(
    "clickstream_read_waiters", Unit.REQUESTS, "Requests waiting for the sink now"
)
READ_TAILS = METRICS.gauge(
    "clickstream_read_tails", Unit.REQUESTS, "Streams of `GET /events/tail` that are open"
)
RELEASES_MADE = METRICS.counter(
    "clickstream_read_releases_made_total", Unit.RELEASES, "Releases that were made whole"
)
RELEASES_RETIRED = METRICS.counter(
    "clickstream_read_releases_retired_total", Unit.RELEASES, "Releases that were retired"
)
RELEASE_SECONDS = METRICS.histogram(
    "clickstream_read_release_seconds",
    Unit.SECONDS,
    "From the request for a release until it was whole",
    buckets=_RELEASE,
)
RELEASE_FILES_SUPERSEDED = METRICS.counter(
    "clickstream_read_release_files_superseded_total",
    Unit.FILES,
    "Files of releases that were deleted because of an erasure or a mark",
    "cause",
)

NO_KEY: Final = "(none)"
"""The label `key` of a request without a valid key. No key can have this name."""

_PROCESS = ("clickstream_build_", "process_", "python_")
_HTTP = (*_PROCESS, "clickstream_http_", "clickstream_read_")
_SHOWN = {
    # The write side waits for the sink too, before it answers a mark.
    "write": (*_HTTP, "clickstream_edge_"),
    "read": _HTTP,
    "worker": (*_PROCESS, "clickstream_worker_"),
}
"""Starts of the names of what each component has."""


def registry_of(components: Iterable[str]) -> CollectorRegistry:
    """The metrics that processes with these components have: the others would be zeros for ever.
    A component that is not known has those of HTTP."""
    starts = tuple(start for name in components for start in _SHOWN.get(name, _HTTP)) or _HTTP

    class Shown(Collector):
        def collect(self) -> Iterator[Metric]:
            return (metric for metric in REGISTRY.collect() if metric.name.startswith(starts))

    registry = CollectorRegistry()
    registry.register(Shown())
    return registry


def begin_at_zero(route: str, method: str, statuses: Iterable[int], key: str) -> None:
    """Make the series of requests before the first one: an increase from nothing is not seen."""
    for status in statuses:
        _requests(route, method, status, key)
    _seconds(route, key)


def count_request(
    route: str, method: str, status: int, seconds: float | None, key: str = NO_KEY
) -> None:
    """Count one answered HTTP request. Every name must come from a small set.

    `seconds` is None for a request that was refused before it was begun: its duration would say
    nothing of how long requests take.
    """
    _requests(route, method, status, key).inc()
    if seconds is not None:
        _seconds(route, key).observe(seconds)


# Looking a child up by its labels costs more than counting; there are as many as there are labels.
@cache
def _requests(route: str, method: str, status: int, key: str) -> Counter:
    return HTTP_REQUESTS.labels(route, method, status, key)


@cache
def _seconds(route: str, key: str) -> Histogram:
    return HTTP_SECONDS.labels(route, key)
