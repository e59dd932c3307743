"""Resident memory of an edge that takes all that one process can, second by second.

    python -m benchmarks.memory_edge

Method: half an hour at full scale, one event a request from 64 connections.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.edge_event import BENCHMARK as EDGE_EVENT
from benchmarks.edge_round import EdgeRound, check_ledger
from benchmarks.edge_servers import our_server, running
from benchmarks.lab import Lab
from benchmarks.outcome import Outcome
from benchmarks.resident import SECONDS, outcome_of, sampled, targets
from benchmarks.script import Benchmark, Size, main
from benchmarks.wrk import drive, installed
from schemas.contracts import EVENT

NAME = "memory_edge"


def round_(lab: Lab, size: Size) -> Iterator[Outcome]:
    """Measure it once."""
    installed()  # or the edge cannot be driven, which is better known before anything is started
    seconds = size.of(SECONDS)
    event = EDGE_EVENT.round
    if not isinstance(event, EdgeRound):
        raise TypeError("edge_event is a round of the edge")
    with lab.isolated() as settings, running(lab, our_server(), settings) as edge:
        with sampled(edge.pid) as curve:
            driven = drive(edge.url, event.load, seconds, lab.folder)
        check_ledger(settings, EVENT, driven.acknowledged)
    yield outcome_of(NAME, curve, seconds)


BENCHMARK = Benchmark(NAME, round_, targets(peak_mb=200))

if __name__ == "__main__":
    main(BENCHMARK)
