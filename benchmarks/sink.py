"""What the benchmarks of the sink have in common: how they are fed, measured and checked."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks.corpus import Corpus
from benchmarks.cpu import Meter, metered
from benchmarks.feed import Feed
from benchmarks.lab import PYTHON_MODULE, Lab, loopback_port, pid_of
from benchmarks.outcome import Outcome
from core import clickhouse
from core.settings import Settings, WorkerSettings
from schemas.contracts import EVENT, SESSION
from schemas.topics import Topics

WORKER = (*PYTHON_MODULE, "clickstream", "worker")

# Nothing may take longer; the slowest peer needs a tenth of it. Seconds.
TIMEOUT_SECONDS = 300.0

_SESSIONS_AT_ONCE = 20_000

# Of two hundred million events the distinct ids need more memory than ClickHouse has as
# `clickstream up` starts it; of those that begin with the same two digits they do not. Events
# without their session wait; adopted ones are deleted some seconds later, and count for nobody.
_SLICES: Final = [f"{number:02x}" for number in range(1, 256)]
_SLICE: Final = """
WITH waiting AS (
    SELECT session_id, event_id FROM unjoined_events FINAL
    WHERE session_id >= {first:String} AND session_id < {next:String}
)
SELECT
    count(), uniqExact(session_id, event_id), countIf(position = 0),
    (
        SELECT count() FROM waiting
        WHERE session_id NOT IN (
            SELECT session_id FROM sessions
            WHERE session_id IN (SELECT session_id FROM waiting)
        )
    )
FROM events FINAL
WHERE session_id >= {first:String} AND session_id < {next:String}
"""

_IN_FACTS: Final = """
SELECT sum(reached)
FROM
(
    SELECT max(offset) AS reached FROM facts_progress
    WHERE topic IN {topics:Array(String)} GROUP BY topic, partition
)
"""


@contextmanager
def worker_in_group(lab: Lab, settings: Settings) -> Iterator[int]:
    """A worker that has its partitions; its process id."""
    port = loopback_port()
    with worker_at(lab, settings_with(settings, metrics_port=port)) as pid:
        yield pid


@contextmanager
def worker_at(lab: Lab, settings: Settings) -> Iterator[int]:
    """The same, where the settings say that it shows its metrics."""
    url = metrics_url(settings)
    with lab.process("worker", WORKER, settings, url=url) as worker:
        yield pid_of(worker)


def metrics_url(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.worker.metrics_port}"


def settings_with(settings: Settings, **worker: float) -> Settings:
    """The same, with some of the worker's settings changed."""
    return settings.model_copy(
        update={"worker": WorkerSettings(**{**settings.worker.model_dump(), **worker})}
    )


def corpus_of(events: int) -> Corpus:
    """Sessions with 20 results and 8 events each, of the day that is ending."""
    return Corpus(end_ms=int(time.time() * 1000), total=max(1, events // 8))


def frozen_for_long(settings: Settings) -> Settings:
    """A worker that is frozen for longer than its session timeout would lose its partitions."""
    return settings_with(settings, session_timeout_seconds=60)


def feed_sessions(feed: Feed, corpus: Corpus) -> None:
    """All of them, acknowledged."""
    for first in range(0, corpus.total, _SESSIONS_AT_ONCE):
        feed.send(SESSION, corpus.sessions(first, min(_SESSIONS_AT_ONCE, corpus.total - first)))
    feed.flush()


def feed_events(feed: Feed, corpus: Corpus) -> None:
    """All of them, acknowledged, about in the order in which they happen."""
    for first in range(0, corpus.total, _SESSIONS_AT_ONCE):
        feed.send(EVENT, corpus.events_of(first, min(_SESSIONS_AT_ONCE, corpus.total - first)))
    feed.flush()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """The process stands still within."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def measured(
    lab: Lab, settings: Settings, *clients: int, facts_of: int | None = None
) -> Iterator[Meter]:
    """CPU of the contender's processes and of ClickHouse, the merges it leaves behind included, and
    the facts of so many records; the wall time ends with the block."""
    pids = {f"client {number}": pid for number, pid in enumerate(clients)}
    if lab.clickhouse_pid is not None:
        pids["clickhouse"] = lab.clickhouse_pid
    with metered(pids) as meter:
        started = time.perf_counter()
        yield meter
        wall = time.perf_counter() - started
        if facts_of is not None:
            wait_for_facts(settings, facts_of)
        settle(settings)
    meter.wall = wall


def wait_for_facts(settings: Settings, records: int) -> None:
    """Until so many sessions and events are in the facts; TimeoutError when they are not."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    topics = Topics.from_settings(settings)
    with clickhouse.connect(settings, role="clickstream bench") as client:
        while (
            found := client.query(
                _IN_FACTS, parameters={"topics": [topics.sessions, topics.events]}
            ).result_rows[0][0]
        ) < records:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{found} of {records} records are in the facts")
            time.sleep(0.1)


def settle(settings: Settings, seconds: float = 20.0) -> None:
    """Wait until ClickHouse merges nothing, twice in a row; or until the time is over."""
    deadline, quiet = time.monotonic() + seconds, 0
    with clickhouse.connect(settings, role="clickstream bench") as client:
        while quiet < 2 and time.monotonic() < deadline:
            busy = client.query("SELECT count() FROM system.merges").result_rows[0][0]
            quiet = 0 if busy else quiet + 1
            time.sleep(0.5)


def check_ledger(settings: Settings, corpus: Corpus) -> None:
    """Every event is there, once, joined, and where its session listed it."""
    check_events(settings, corpus.total * corpus.events)


def check_events(settings: Settings, wanted: int) -> None:
    """The same of so many events."""
    with clickhouse.connect(settings, role="clickstream bench", answer_seconds=600) as client:
        slices = [
            client.query(_SLICE, parameters={"first": first, "next": following}).result_rows[0]
            for first, following in zip(("", *_SLICES), (*_SLICES, "~"), strict=True)
        ]
    found = tuple(map(sum, zip(*slices, strict=True)))
    if found != (wanted, wanted, 0, 0):
        raise AssertionError(f"stored, distinct, unplaced, unjoined: {found}; fed: {wanted}")


def outcome(name: str, contender: str, meter: Meter, events: int) -> Outcome:
    """The figures of a sink."""
    figures = {"events_per_second": events / meter.wall}
    if "clickhouse" in meter.cpu:
        each = {who: seconds / events * 1e6 for who, seconds in meter.cpu.items()}
        whole = sum(each.values())
        figures |= {
            "cpu_us_per_event": whole,
            "client_us": whole - each["clickhouse"],
            "clickhouse_us": each["clickhouse"],
        }
    return Outcome(name, contender, figures)
