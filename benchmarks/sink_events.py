"""Events into ClickHouse, beside what users would pick instead.

    python -m benchmarks.sink_events

Method: the sessions are stored by the worker first; then the events are put into Kafka while it is
frozen, and it is measured from the moment it goes on until it has committed the last one (wall
time), and until the facts of all sessions are computed and ClickHouse has no merge left to do (CPU
time). Every event gets joined. The peers read the same topic, with no join and no facts.
ClickHouse's Kafka engine commits only every few seconds, so it is measured from its creation, which
costs it little CPU but a second or so of wall time; other peers over their last nine tenths, so
that the start of their process does not count.
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
    wait_for_facts,
    worker_in_group,
)
from benchmarks.sink_peers import STOCK_FAUST, SinkPeer, measure_peer, sink_peers
from core.settings import Settings
from schemas.topics import Topics

NAME = "sink_events"
EVENTS = 1_000_000
KAFKA_ENGINE = "ClickHouse Kafka engine, no join"


def round_(lab: Lab, size: Size) -> Iterator[Outcome]:
    """Measure each contender once."""
    corpus = corpus_of(size.of(EVENTS))
    with lab.isolated() as base:
        settings = frozen_for_long(base)
        yield ours(lab, settings, corpus)
        yield kafka_engine(lab, settings, corpus)
        peers = sink_peers(lab)
        for peer in peers:
            if peer.share == 1:
                yield measure_peer(lab, settings, corpus, peer, NAME)
    for peer in peers:
        if peer.share < 1:
            yield slow_peer(lab, peer, size)


def ours(lab: Lab, settings: Settings, corpus: Corpus) -> Outcome:
    """The worker, whose index has the sessions in memory as far as they fit."""
    topics, feed = Topics.from_settings(settings), Feed(settings)
    with worker_in_group(lab, settings) as pid:
        feed_sessions(feed, corpus)
        group = settings.worker.group
        with GroupProgress.from_settings(settings, group, [topics.sessions]) as sessions:
            sessions.wait(corpus.total, TIMEOUT_SECONDS)
        wait_for_facts(settings, corpus.total)
        with frozen(pid):
            feed_events(feed, corpus)
            settle(settings)
        with GroupProgress.from_settings(settings, group, [topics.events]) as events:
            records = corpus.total * (1 + corpus.events)
            with measured(lab, settings, pid, facts_of=records) as meter:
                events.wait(corpus.total * corpus.events, TIMEOUT_SECONDS)
            check_ledger(settings, corpus)
    return outcome(NAME, OURS, meter, corpus.total * corpus.events)


def kafka_engine(lab: Lab, settings: Settings, corpus: Corpus) -> Outcome:
    """Into a table of the same kind, with one consumer."""
    count = corpus.total * corpus.events
    topic = Topics.from_settings(settings).events
    with engine.kafka_engine(settings) as copy:
        with (
            GroupProgress.from_settings(settings, engine.GROUP, [topic]) as events,
            measured(lab, settings) as meter,
        ):
            copy.copy_events()
            events.wait(count, TIMEOUT_SECONDS)
        found = copy.count("events")
        if found != count:
            raise AssertionError(f"the Kafka engine stored {found} of {count} events")
    return outcome(NAME, KAFKA_ENGINE, meter, count)


def slow_peer(lab: Lab, peer: SinkPeer, size: Size) -> Outcome:
    """On a topic of its own, which holds its share of the events."""
    corpus = corpus_of(size.of(round(EVENTS * peer.share)))
    with lab.isolated() as settings:
        feed_events(Feed(settings), corpus)
        settle(settings)
        return measure_peer(lab, settings, corpus, peer, NAME)


BENCHMARK = Benchmark(
    NAME,
    round_,
    (
        Target("cpu_us_per_event", at_most=4.0),
        Target("cpu_us_per_event", at_most=0.8, against=KAFKA_ENGINE),
        Target("cpu_us_per_event", at_most=0.05, against=STOCK_FAUST),
        Target("events_per_second", at_least=200_000),
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
