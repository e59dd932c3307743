"""Does an event cost more when many are stored already, or when two workers share the work?

    python -m benchmarks.growth

Method: as in `sink_both`, one worker catches up with sessions and events that it has not seen, once
on tables that hold a million events, and again when they hold ten million and a hundred million.
The stored ones are copies of the first four million under new ids, made by ClickHouse itself,
spread over the last 30 days, the day that is being written included. Then two workers share the
partitions. Three million are measured each time, in one go: a merge comes once in a while and is of
many pieces, so that a single piece pays for it as good as never, or for all of it. At a scale below
1 there are fewer copies, and the pieces are smaller; `stored_events` says how many there were, and
`merged_rows_per_event` how much was merged, of events and sessions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from benchmarks.corpus import Corpus
from benchmarks.feed import Feed
from benchmarks.lab import Lab
from benchmarks.outcome import OURS, Outcome, Target
from benchmarks.progress import GroupProgress
from benchmarks.script import Benchmark, Size, main
from benchmarks.sink import (
    TIMEOUT_SECONDS,
    check_events,
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
from core import clickhouse
from core.settings import Settings
from schemas.topics import Topics

NAME = "growth"
FEW_STORED = "clickstream, few events stored"
TENTH_STORED = "clickstream, a tenth stored"
TWO_WORKERS = "clickstream, two workers"

_STORED: Final = 100_000_000
_PIECE: Final = 1_000_000
_MEASURED_PIECES: Final = 3
_DAYS: Final = 30

# Merges of what was copied must not be counted as the work of what follows. Seconds.
_MERGED_WITHIN: Final = 1_200.0

_ORIGINALS: Final = (
    "CREATE TABLE original_{table} ENGINE = MergeTree ORDER BY session_id"
    " AS SELECT * FROM {table} FINAL"
)

# New ids, the same in both tables, and everything as many days earlier.
_COPIES: Final = {
    "sessions": """
        INSERT INTO sessions
        SELECT * REPLACE
        (
            lower(hex(sipHash128(session_id, {copy:UInt32}))) AS session_id,
            created_at - INTERVAL {days:UInt32} DAY AS created_at,
            received_at - INTERVAL {days:UInt32} DAY AS received_at,
            session_day - {days:UInt32} AS session_day
        )
        FROM original_sessions
    """,
    "events": """
        INSERT INTO events
        SELECT * REPLACE
        (
            lower(hex(sipHash128(session_id, {copy:UInt32}))) AS session_id,
            created_at - INTERVAL {days:UInt32} DAY AS created_at,
            received_at - INTERVAL {days:UInt32} DAY AS received_at,
            session_created_at - INTERVAL {days:UInt32} DAY AS session_created_at,
            session_day - {days:UInt32} AS session_day
        )
        FROM original_events
    """,
}


@dataclass(frozen=True, slots=True)
class GrowthPlan:
    """How many events are stored when it is measured, and how many are in a piece."""

    piece: int
    stored: int

    @classmethod
    def of(cls, size: Size) -> GrowthPlan:
        """A piece is a million down to a scale of 0.2, half a million at 0.1, so that it is long
        enough to measure."""
        piece = min(_PIECE, size.of(5 * _PIECE))
        return cls(piece, size.of(_STORED))

    def copies(self, stored: int) -> int:
        """Of what is stored at first, until so many events are stored."""
        return max(0, stored // ((1 + _MEASURED_PIECES) * self.piece) - 1)


def round_(lab: Lab, size: Size) -> Iterator[Outcome]:
    """Measure each line once."""
    plan = GrowthPlan.of(size)
    with lab.isolated() as base:
        settings = frozen_for_long(base)
        pieces = _Pieces(lab, settings, plan.piece)
        with worker_in_group(lab, settings) as worker:
            pieces.catch_up(FEW_STORED, [worker], 1)  # not measured: it has just started
            yield pieces.catch_up(FEW_STORED, [worker])
            few, most = plan.copies(plan.stored // 10), plan.copies(plan.stored)
            pieces.copy(range(few))
            yield pieces.catch_up(TENTH_STORED, [worker])
            pieces.copy(range(few, most))
            yield pieces.catch_up(OURS, [worker])
        with ExitStack() as stack:
            workers = [stack.enter_context(worker_in_group(lab, settings)) for _ in range(2)]
            pieces.catch_up(TWO_WORKERS, workers, 1)
            yield pieces.catch_up(TWO_WORKERS, workers)
        check_events(settings, pieces.stored)


class _Pieces:
    """One corpus, piece after piece, through the same topics."""

    def __init__(self, lab: Lab, settings: Settings, events: int) -> None:
        self._lab = lab
        self._settings = settings
        self._feed = Feed(settings)
        self._corpus = corpus_of(events)
        self._number = 0
        self._originals = 0
        self.stored = 0

    def catch_up(
        self, contender: str, workers: Sequence[int], count: int = _MEASURED_PIECES
    ) -> Outcome:
        """Fill both topics while the workers stand still, then let them go on."""
        before, settings = self.stored, self._settings
        topics = Topics.from_settings(settings)
        corpora = [self._next() for _ in range(count)]
        with ExitStack() as stack:
            for worker in workers:
                stack.enter_context(frozen(worker))
            for corpus in corpora:
                feed_sessions(self._feed, corpus)
                feed_events(self._feed, corpus)
            settle(settings)
        names = [topics.sessions, topics.events]
        merged = self._merged_rows()
        with (
            GroupProgress.from_settings(settings, settings.worker.group, names) as records,
            measured(self._lab, settings, *workers) as meter,
        ):
            records.wait(records.end(), TIMEOUT_SECONDS)
        events = sum(corpus.total * corpus.events for corpus in corpora)
        self.stored += events
        figures = {
            **outcome(NAME, contender, meter, events).figures,
            "merged_rows_per_event": (self._merged_rows() - merged) / events,
            "stored_events": before,
        }
        return Outcome(NAME, contender, figures)

    def _merged_rows(self) -> int:
        """How many rows ClickHouse has merged since it started, of whatever table."""
        with clickhouse.connect(self._settings, role="clickstream bench") as client:
            found = client.query("SELECT sum(value) FROM system.events WHERE event = 'MergedRows'")
        return int(found.result_rows[0][0])

    def copy(self, numbers: range) -> None:
        """Store these copies of all that was stored at the first call; wait for the merges."""
        settings = self._settings
        with clickhouse.connect(settings, role="clickstream bench", answer_seconds=600) as client:
            if not self._originals:
                for table in _COPIES:
                    client.command(_ORIGINALS.format(table=table))
                self._originals = self.stored
            for number in numbers:
                for statement in _COPIES.values():
                    parameters = {"copy": number, "days": number % _DAYS}
                    client.command(statement, parameters=parameters)
                self.stored += self._originals
        settle(settings, _MERGED_WITHIN)

    def _next(self) -> Corpus:
        """The same traffic under another seed: other ids, at the same time of the same day."""
        corpus = Corpus(self._corpus.end_ms, self._corpus.total, seed=7 + 100 * self._number)
        self._number += 1
        return corpus


BENCHMARK = Benchmark(
    NAME,
    round_,
    (
        Target("cpu_us_per_event", at_most=1.15, against=FEW_STORED),
        Target("cpu_us_per_event", at_most=1.1, of=TWO_WORKERS, against=OURS),
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
