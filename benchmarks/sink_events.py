"""Events into ClickHouse, beside what users would pick instead.

    python -m benchmarks.sink_events

Method: the sessions are stored by the worker first; then the events are put into Kafka while it is
frozen, and it is measured from the moment it goes on until it has committed the last one and
ClickHouse has no merge left to do. Every event gets joined. The peers read the same topic, with no
join. ClickHouse's Kafka engine commits only every few seconds, so it is measured from its creation,
which costs it little CPU but a second or so of wall time; other peers over their last nine tenths,
so that the start of their process does not count.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.corpus import Corpus
from benchmarks.cpu import Meter, metered
from benchmarks.feed import Feed
from benchmarks.lab import PYTHON_MODULE, Lab
from benchmarks.outcome import OURS, Outcome, Target
from benchmarks.peers import kafka_engine as engine
from benchmarks.progress import GroupProgress
from benchmarks.script import Benchmark, Size, main
from clickstream import clickhouse
from clickstream.settings import Settings, WorkerSettings
from schemas.contracts import EVENT, SESSION
from schemas.topics import Topics

NAME = "sink_events"
EVENTS = 1_000_000
KAFKA_ENGINE = "ClickHouse Kafka engine, no join"

# Nothing may take longer; the slowest peer needs a tenth of it.
_PATIENCE_SECONDS = 300.0

_SESSIONS_AT_ONCE = 20_000


def round_(lab: Lab, size: Size) -> Iterator[Outcome]:
    """Measure each contender once."""
    corpus = corpus_of(size.of(EVENTS))
    with lab.corner() as corner:
        settings = frozen_for_long(corner)
        yield ours(lab, settings, corpus)
        yield kafka_engine(lab, settings, corpus)


def ours(lab: Lab, settings: Settings, corpus: Corpus) -> Outcome:
    """The worker, whose index has the sessions in memory as far as they fit."""
    topics, feed = Topics.of(settings), Feed(settings)
    with lab.process("worker", [*PYTHON_MODULE, "clickstream", "worker"], settings) as worker:
        feed_sessions(feed, corpus)
        group = settings.worker.group
        with GroupProgress.of(settings, group, [topics.sessions]) as sessions:
            sessions.wait(corpus.total, _PATIENCE_SECONDS)
        assert worker.pid is not None  # noqa: S101 - it was started
        with frozen(worker.pid):
            feed_events(feed, corpus)
            settle(settings)
        with GroupProgress.of(settings, group, [topics.events]) as events:
            with measured(lab, settings, worker.pid) as meter:
                events.wait(corpus.total * corpus.events, _PATIENCE_SECONDS)
            check_ledger(settings, corpus)
    return outcome(NAME, OURS, meter, corpus.total * corpus.events)


def kafka_engine(lab: Lab, settings: Settings, corpus: Corpus) -> Outcome:
    """Into a table of the same kind, with one consumer."""
    count = corpus.total * corpus.events
    topic = Topics.of(settings).events
    with engine.kafka_engine(settings) as copy:
        with (
            GroupProgress.of(settings, engine.GROUP, [topic]) as events,
            measured(lab, settings, None) as meter,
        ):
            copy.copy_events()
            events.wait(count, _PATIENCE_SECONDS)
        found = copy.count("events")
        if found != count:
            raise AssertionError(f"the Kafka engine stored {found} of {count} events")
    return outcome(NAME, KAFKA_ENGINE, meter, count)


def corpus_of(events: int) -> Corpus:
    """Sessions with 20 results and 8 events each, of the day that is ending."""
    return Corpus(end_ms=int(time.time() * 1000), total=max(1, events // 8))


def frozen_for_long(settings: Settings) -> Settings:
    """A worker that is frozen for longer than its session timeout would lose its partitions."""
    worker = WorkerSettings(**{**settings.worker.model_dump(), "session_timeout_seconds": 60})
    return settings.model_copy(update={"worker": worker})


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
def measured(lab: Lab, settings: Settings, client_pid: int | None) -> Iterator[Meter]:
    """CPU of the contender's process and of ClickHouse, the merges it leaves behind included; the
    wall time ends with the block."""
    pids = {"clickhouse": lab.clickhouse_pid, "client": client_pid}
    with metered({name: pid for name, pid in pids.items() if pid is not None}) as meter:
        started = time.perf_counter()
        yield meter
        wall = time.perf_counter() - started
        settle(settings)
    meter.wall = wall


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
    with clickhouse.connect(settings, role="clickstream bench") as client:
        found = client.query(
            "SELECT count(), uniqExact(session_id, event_id), countIf(position = 0),"
            " (SELECT count() FROM unjoined_events FINAL) FROM events FINAL"
        ).result_rows[0]
    wanted = corpus.total * corpus.events
    if tuple(found) != (wanted, wanted, 0, 0):
        raise AssertionError(f"stored, distinct, unplaced, unjoined: {found}; fed: {wanted}")


def outcome(name: str, contender: str, meter: Meter, events: int) -> Outcome:
    """The figures of a sink."""
    figures = {"events_per_second": events / meter.wall}
    if "clickhouse" in meter.cpu:
        each = {who: seconds / events * 1e6 for who, seconds in meter.cpu.items()}
        figures |= {
            "cpu_us_per_event": sum(each.values()),
            "client_us": each.get("client", 0.0),
            "clickhouse_us": each["clickhouse"],
        }
    return Outcome(name, contender, figures)


BENCHMARK = Benchmark(
    NAME,
    round_,
    (
        Target("cpu_us_per_event", at_most=4.0),
        Target("cpu_us_per_event", at_most=0.8, against=KAFKA_ENGINE),
        Target("events_per_second", at_least=200_000),
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
