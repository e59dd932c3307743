"""Sessions and their events into ClickHouse, beside ClickHouse copying the same topics unjoined.

    python -m benchmarks.sink_both

Method: as in `sink_events`, but both topics are filled while the worker is frozen: 20 results and 8
events a session, none of them seen before. The worker catches up with both, so some events come
before their session, wait, and are adopted. The Kafka engine has a queue and a view for each topic.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.corpus import Corpus
from benchmarks.feed import Feed
from benchmarks.lab import Lab
from benchmarks.outcome import OURS, Outcome, Target
from benchmarks.peers import kafka_engine as engine
from benchmarks.progress import GroupProgress
from benchmarks.script import Benchmark, Size, main
from benchmarks.sink import (
    TIMEOUT_SECONDS,
    check_ledger,
    corpus_of,
    feed_events,
    feed_sessions,
    frozen,
    frozen_for_long,
    measured,
    outcome,
    settle,
    worker_in_group,
)
from core.settings import Settings
from schemas.topics import Topics

NAME = "sink_both"
EVENTS = 1_000_000
KAFKA_ENGINE = "ClickHouse Kafka engine, no join"


def round_(lab: Lab, size: Size) -> Iterator[Outcome]:
    """Measure each contender once."""
    corpus = corpus_of(size.of(EVENTS))
    with lab.isolated() as base:
        settings = frozen_for_long(base)
        yield ours(lab, settings, corpus)
        yield kafka_engine(lab, settings, corpus)


def ours(lab: Lab, settings: Settings, corpus: Corpus) -> Outcome:
    """The worker, which knows none of the sessions."""
    topics, feed = Topics.from_settings(settings), Feed(settings)
    everything = [topics.sessions, topics.events]
    with worker_in_group(lab, settings) as pid:
        with frozen(pid):
            feed_sessions(feed, corpus)
            feed_events(feed, corpus)
            settle(settings)
        count = corpus.total * (1 + corpus.events)
        with GroupProgress.from_settings(settings, settings.worker.group, everything) as records:
            with measured(lab, settings, pid, facts_of=count) as meter:
                records.wait(count, TIMEOUT_SECONDS)
            check_ledger(settings, corpus)
    return outcome(NAME, OURS, meter, corpus.total * corpus.events)


def kafka_engine(lab: Lab, settings: Settings, corpus: Corpus) -> Outcome:
    """Both topics into tables of the same kind, with one consumer each."""
    topics = Topics.from_settings(settings)
    with engine.kafka_engine(settings) as copy:
        with (
            GroupProgress.from_settings(
                settings, engine.GROUP, [topics.sessions, topics.events]
            ) as records,
            measured(lab, settings) as meter,
        ):
            copy.copy_sessions()
            copy.copy_events()
            records.wait(corpus.total * (1 + corpus.events), TIMEOUT_SECONDS)
        found = (copy.count("sessions"), copy.count("events"))
        if found != (corpus.total, corpus.total * corpus.events):
            raise AssertionError(f"the Kafka engine stored {found} of {corpus.total} sessions")
    return outcome(NAME, KAFKA_ENGINE, meter, corpus.total * corpus.events)


BENCHMARK = Benchmark(
    NAME,
    round_,
    (
        Target("cpu_us_per_event", at_most=0.8, against=KAFKA_ENGINE),
        Target("events_per_second", at_least=120_000),
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
