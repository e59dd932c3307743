"""Resident memory of a worker and of an edge at full rate, second by second.

    python -m benchmarks.memory

Method: one after the other, 30 minutes each at full scale. The worker never catches up: a million
records lie ahead of it, so that all it may hold is full, of sessions that it has not seen. The edge
takes one event a request from 64 connections. The slope is a straight line's through the last half
of the curve, so that what fills up at the start (the index of recent sessions, librdkafka's queues)
does not count; it is given when that half is long enough to mean something. At full scale this
needs 40 GB of disk.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import psutil

from benchmarks.corpus import Corpus
from benchmarks.cpu import resident_bytes
from benchmarks.edge_event import BENCHMARK as EDGE_EVENT
from benchmarks.edge_round import EdgeRound, check_ledger
from benchmarks.edge_servers import our_server, running
from benchmarks.feed import Feed
from benchmarks.lab import Lab
from benchmarks.outcome import OURS, Outcome, Target
from benchmarks.progress import GroupProgress
from benchmarks.script import Benchmark, Size, main
from benchmarks.sink import PATIENCE_SECONDS, check_events, worker_in_group
from benchmarks.wrk import drive, installed
from schemas.contracts import EVENT, SESSION
from schemas.topics import Topics

NAME = "memory"
SECONDS: Final = 1_800

# The feed keeps about so many records ahead of the worker: several times what one flush that is
# being written, one that is being decoded and a full buffer hold together.
_BACKLOG: Final = 1_000_000
_SESSIONS_AT_ONCE: Final = 10_000

# More sessions than half an hour takes: they all belong to one day, as live traffic does.
_SESSIONS_A_DAY: Final = 100_000_000

# Below this the last half says more about chance than about a leak.
_SLOPE_SECONDS: Final = 240

Curve = Sequence[tuple[float, float]]


def round_(lab: Lab, size: Size) -> Iterator[Outcome]:
    """Measure both once."""
    seconds = size.of(SECONDS)
    installed()  # or the edge cannot be driven, which is better known before the worker's half hour
    curves = {"worker": worker_curve(lab, seconds), "edge": edge_curve(lab, seconds)}
    figures: dict[str, float] = {}
    for name, curve in curves.items():
        figures[f"{name}_peak_mb"] = max(value for _, value in curve)
        if curve[-1][0] >= _SLOPE_SECONDS:
            figures[f"{name}_mb_per_10_min"] = slope(curve) * 600
    named = {f"{name}_mb": curve for name, curve in curves.items()}
    yield Outcome(NAME, OURS, figures, f"{seconds} s each", named)


def worker_curve(lab: Lab, seconds: float) -> Curve:
    """Megabytes of a worker that always has more to do."""
    corpus = Corpus(int(time.time() * 1000), _SESSIONS_A_DAY)
    with lab.corner() as settings:
        topics, feed = Topics.of(settings), Feed(settings)
        names = [topics.sessions, topics.events]
        with (
            worker_in_group(lab, settings) as pid,
            GroupProgress.of(settings, settings.worker.group, names) as records,
        ):
            with sampled(pid) as curve:
                fed = _feed_for(seconds, feed, corpus, records)
            records.wait(fed * (1 + corpus.events), PATIENCE_SECONDS)
            check_events(settings, fed * corpus.events)
    return curve


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


def edge_curve(lab: Lab, seconds: float) -> Curve:
    """Megabytes of an edge that takes all that one process can."""
    event = EDGE_EVENT.round
    if not isinstance(event, EdgeRound):
        raise TypeError("edge_event is a round of the edge")
    with lab.corner() as settings, running(lab, our_server(), settings) as edge:
        with sampled(edge.pid) as curve:
            driven = drive(edge.url, event.load, seconds, lab.folder)
        check_ledger(settings, EVENT, driven.acknowledged)
    return curve


@contextmanager
def sampled(pid: int) -> Iterator[list[tuple[float, float]]]:
    """(seconds, megabytes) of a process and its children, every second while the block runs."""
    curve: list[tuple[float, float]] = []
    over = threading.Event()
    sampler = threading.Thread(target=_sample, args=(pid, curve, over))
    sampler.start()
    try:
        yield curve
    finally:
        over.set()
        sampler.join()


def _sample(pid: int, curve: list[tuple[float, float]], over: threading.Event) -> None:
    started = time.monotonic()
    while True:
        try:
            megabytes = resident_bytes(pid) / 1e6
        except psutil.NoSuchProcess:
            return  # whoever waits for its work says so
        curve.append((round(time.monotonic() - started, 1), round(megabytes, 1)))
        if over.wait(1.0):
            return


def slope(curve: Curve) -> float:
    """Of a straight line through the last half, by least squares: a unit of the curve a second."""
    last = np.array([point for point in curve if point[0] >= curve[-1][0] / 2])
    return float(np.polyfit(last[:, 0], last[:, 1], 1)[0])


BENCHMARK = Benchmark(
    NAME,
    round_,
    (
        Target("worker_peak_mb", at_most=600),
        Target("edge_peak_mb", at_most=200),
        # 30 MB in half an hour is a twentieth of what the worker may have.
        Target("worker_mb_per_10_min", at_most=10),
        Target("edge_mb_per_10_min", at_most=10),
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
