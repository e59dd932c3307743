"""The Prometheus metrics of every process, in one list.

Every metric of every process is declared here and nowhere else. Call sites use the constants
directly (`WORKER_RECORDS.labels(topic).inc()`), so a search for a name finds each use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
)
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each: noise

# Seconds. From what a healthy acknowledgement takes (a few ms) to past the longest allowed wait.
_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Rows. A flush goes from one row on an idle system to the configured 50,000 and what came with it.
_ROWS = (1, 10, 100, 1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 200_000)

BUILD_INFO = Gauge("clickstream_build_info", "1; the version is its label", ["version"])
BUILD_INFO.labels(version("clickstream")).set(1)

# Every HTTP process.
HTTP_REQUESTS = Counter(
    "clickstream_http_requests_total", "Requests answered", ["route", "method", "status"]
)
HTTP_SECONDS = Histogram(
    "clickstream_http_request_seconds", "From request to answer", ["route"], buckets=_LATENCY
)
HTTP_PROBLEMS = Counter(
    "clickstream_http_problems_total", "Requests answered by a problem document", ["problem"]
)

HTTP_IN_FLIGHT = Gauge("clickstream_http_requests_in_flight", "Requests in progress")
HTTP_BYTES_IN_FLIGHT = Gauge(
    "clickstream_http_bytes_in_flight", "Bytes of request bodies in progress"
)
HTTP_CONNECTIONS = Gauge("clickstream_http_connections", "Open connections")
HTTP_CONNECTIONS_REFUSED = Counter(
    "clickstream_http_connections_refused_total", "Connections beyond the most that are allowed"
)

# The write edge.
EDGE_RECORDS = Counter(
    "clickstream_edge_records_total", "Records that Kafka acknowledged", ["topic"]
)
EDGE_PUBLISH_SECONDS = Histogram(
    "clickstream_edge_publish_seconds", "From record to acknowledgement", buckets=_LATENCY
)
EDGE_UNACKNOWLEDGED = Counter(
    "clickstream_edge_unacknowledged_total", "Publishes that ended in a 503", ["topic"]
)
EDGE_PRODUCER_RESTARTS = Counter(
    "clickstream_edge_producer_restarts_total", "Kafka producers replaced after a fatal error"
)

EDGE_PRODUCER_QUEUE = Gauge(
    "clickstream_edge_producer_queue", "Records and reports that wait in the Kafka producer"
)

# The worker.
WORKER_RECORDS = Counter(
    "clickstream_worker_records_total", "Records consumed and written", ["topic"]
)
WORKER_FLUSH_SECONDS = Histogram(
    "clickstream_worker_flush_seconds", "One flush, join to commit", buckets=_LATENCY
)
WORKER_FLUSH_ROWS = Histogram("clickstream_worker_flush_rows", "Records a flush", buckets=_ROWS)
WORKER_JOINED = Counter("clickstream_worker_joined_total", "Events stored with their session")
WORKER_UNJOINED = Counter(
    "clickstream_worker_unjoined_total", "Events set aside until their session comes"
)
WORKER_ADOPTED = Counter(
    "clickstream_worker_adopted_total", "Events that had waited and found their session"
)
WORKER_LOOKED_UP = Counter(
    "clickstream_worker_looked_up_total",
    "Session ids that ClickHouse was asked for: stored (session), or how many wait (waiting)",
    ["what"],
)
for _what in ("session", "waiting"):
    WORKER_LOOKED_UP.labels(_what)
WORKER_DUPLICATES = Counter(
    "clickstream_worker_duplicates_total", "Records dropped because an earlier one won"
)
WORKER_ERASED = Counter(
    "clickstream_worker_erased_total", "Sessions not stored because their user was erased"
)
WORKER_DEAD_LETTERS = Counter(
    "clickstream_worker_dead_letters_total", "Records that can never be processed", ["reason"]
)
WORKER_LOST = Counter(
    "clickstream_worker_lost_total",
    "Records that the topic's retention deleted before a worker had read them",
    ["topic"],
)
WORKER_RETRIES = Counter(
    "clickstream_worker_retries_total", "Attempts repeated after a transient fault", ["server"]
)
WORKER_PAUSED = Gauge(
    "clickstream_worker_paused", "Waits for a server that is down; 0 when there is none"
)
WORKER_INDEX_BYTES = Gauge(
    "clickstream_worker_index_bytes", "Memory of the index of recent sessions"
)
WORKER_LAG = Gauge(
    "clickstream_worker_lag", "Records between the end and the commit", ["topic", "partition"]
)

# The read API.
READ_QUERY_SECONDS = Histogram(
    "clickstream_read_query_seconds", "One ClickHouse query", ["query"], buckets=_LATENCY
)
READ_WAIT_SECONDS = Histogram(
    "clickstream_read_wait_seconds", "Waits for the sink before an answer", buckets=_LATENCY
)
READ_WAITERS = Gauge("clickstream_read_waiters", "Requests waiting for the sink now")
READ_TAILS = Gauge("clickstream_read_tails", "Streams of GET /events/tail that are open")


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


def begin_at_zero(route: str, method: str, statuses: Iterable[int]) -> None:
    """Make the series of requests before the first one: an increase from nothing is not seen."""
    for status in statuses:
        _requests(route, method, status)
    _seconds(route)


def count_request(route: str, method: str, status: int, seconds: float | None) -> None:
    """Count one answered HTTP request. Every name must come from a small set.

    `seconds` is None for a request that was refused before it was begun: its duration would say
    nothing of how long requests take.
    """
    _requests(route, method, status).inc()
    if seconds is not None:
        _seconds(route).observe(seconds)


# Looking a child up by its labels costs more than counting; there are as many as there are labels.
@cache
def _requests(route: str, method: str, status: int) -> Counter:
    return HTTP_REQUESTS.labels(route, method, status)


@cache
def _seconds(route: str) -> Histogram:
    return HTTP_SECONDS.labels(route)
