"""Resident memory of a worker that always has more to do, second by second.

    python -m benchmarks.memory_worker

Method: half an hour at full scale. The worker never catches up: a million records lie ahead of it,
so that all it may hold is full, of sessions that it has not seen. Needs 40 GB of disk then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from benchmarks.corpus import Corpus
from benchmarks.feed import Feed
from benchmarks.lab import Lab
from benchmarks.outcome import Outcome
from benchmarks.progress import GroupProgress
from benchmarks.resident import SECONDS, outcome_of, sampled, targets
from benchmarks.script import Benchmark, Size, main
from benchmarks.sink import TIMEOUT_SECONDS, check_events, worker_in_group
from schemas.contracts import EVENT, SESSION
from schemas.topics import Topics

NAME = "memory_worker"

# The feed keeps about so many records ahead of the worker: several times what one flush that is
# being written, one that is being decoded and a full buffer hold together.
_BACKLOG: Final = 1_000_000
_SESSIONS_AT_ONCE: Final = 10_000

# More sessions than half an hour takes: they all belong to one day, as live traffic does.
_SESSIONS_A_DAY: Final = 100_000_000


def round_(lab: Lab, size: Size) -> Iterator[Outcome]:
    """Measure it once."""
    seconds = size.of(SECONDS)
    corpus = Corpus(int(time.time() * 1000), _SESSIONS_A_DAY)
    with lab.isolated() as settings:
        topics, feed = Topics.from_settings(settings), Feed(settings)
        names = [topics.sessions, topics.events]
        with (
            worker_in_group(lab, settings) as pid,
            GroupProgress.from_settings(settings, settings.worker.group, names) as records,
        ):
            with sampled(pid) as curve:
                fed = _feed_for(seconds, feed, corpus, records)
            records.wait(fed * (1 + corpus.events), TIMEOUT_SECONDS)
            check_events(settings, fed * corpus.events)
    yield outcome_of(NAME, curve, seconds)


def _feed_for(seconds: float, feed: Feed, corpus: Corpus, records: GroupProgress) -> int:
    """Keep ahead of the worker for so long; how many sessions it was given."""
    fed, deadline = 0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        if fed * (1 + corpus.events) - records.committed() > _BACKLOG:
            time.sleep(0.05)
            continue
        feed.send(SESSION, corpus.sessions(fed, _SESSIONS_AT_ONCE))
        feed.send(EVENT, corpus.events_of(fed, _SESSIONS_AT_ONCE))
        feed.flush()
        fed += _SESSIONS_AT_ONCE
    return fed


BENCHMARK = Benchmark(NAME, round_, targets(peak_mb=600))

if __name__ == "__main__":
    main(BENCHMARK)
