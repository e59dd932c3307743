"""Which sessions' facts are to be computed again, and when: every second or so, so that it takes a
twentieth of the time; during a backlog less often. A session that was marked does not wait."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from core.clock import Clock
from core.errors import Unavailable
from core.kafka.partitions import Partition
from core.telemetry import WORKER_FACTS_LAG, WORKER_FACTS_SECONDS
from schemas.topics import Topics
from stream_processors.write.facts import once_each
from stream_processors.write.sink import TOUCHED, FactsPortion, Sink

log = logging.getLogger(__name__)

# Seconds between two refreshes, and how many times as long as a refresh it is.
SHORTEST_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 3.5
_TIMES: Final = 20
# Behind a refresh that takes long there is a backlog: then it waits longer, so that of the many
# events of a session most are there before it is computed.
_TIMES_IN_BACKLOG: Final = 4

# Sessions that are computed between two flushes: they hold up the next one for half a second.
PORTION: Final = 20_000
# Sessions that end a pause before its time, so that a backlog is computed between flushes, too.
_MANY_TOUCHED: Final = 150_000
# Sessions that a flush computes before it ends: some tens of megabytes. It comes to that only where
# ClickHouse computes no facts.
_MOST_TOUCHED: Final = 500_000
# So many rows more than sessions are kept, so that not each flush has to compare all of them.
_MOST_REPEATED: Final = 100_000


@dataclass(slots=True)
class _Assignment:
    """Partitions that were given to this worker at one moment. `missing`: the portions that are
    left to compute of what was stored by then; None: not looked for yet."""

    partitions: frozenset[int]
    missing: list[FactsPortion] | None = None


class FactsRefresh:
    """`assigned` is called from the event loop, everything else from the thread that writes.

    Nothing here is lost with the process: what is beyond the noted progress is computed again by
    whoever is assigned its partition.
    """

    def __init__(self, sink: Sink, topics: Topics, epoch: int, *, portion: int = PORTION) -> None:
        self._sink = sink
        self._portion = portion
        self._topics = (topics.sessions, topics.events)
        # The facts of a marked session are there before its mark is committed (`Flush.write`).
        self._noted_topics = (*self._topics, topics.marks)
        self._epoch = epoch
        self._touched = TOUCHED.empty_table()
        self._distinct = 0
        # What is being computed, and what the facts have once it is.
        self._portions: list[pa.Table] = []
        self._reaching: Mapping[Partition, int] = {}
        self._assignment = _Assignment(frozenset(), missing=[])
        self._noted: dict[Partition, int] = {}

    def touch(self, *touched: pa.Table) -> None:
        """Remember these sessions (`TOUCHED`)."""
        self._touched = pa.concat_tables([self._touched, *touched])
        if self._touched.num_rows > self._distinct + _MOST_REPEATED:
            self._touched = once_each(self._touched)
            self._distinct = self._touched.num_rows

    @property
    def has_many(self) -> bool:
        """Whether so many sessions wait that they should not wait longer."""
        return self._distinct >= _MANY_TOUCHED

    @property
    def is_full(self) -> bool:
        """Whether no more sessions should be remembered before some are computed."""
        under_way: int = sum(portion.num_rows for portion in self._portions)
        return self._distinct + under_way >= _MOST_TOUCHED

    @property
    def is_under_way(self) -> bool:
        """Whether some of the sessions that waited are computed, and others are not."""
        return bool(self._portions)

    def refresh(self) -> None:
        """Compute the facts of all sessions that wait. One attempt; raises SinkUnavailable."""
        self._begin()
        while self._portions:
            self._refresh_portion()

    def refresh_marked(self, marked: pa.Table) -> None:
        """Compute the facts of these sessions (`TOUCHED`) now, whoever else waits. One attempt;
        raises SinkUnavailable."""
        self._sink.refresh_facts(marked)

    def _begin(self) -> None:
        waiting = once_each(self._touched)
        firsts = range(0, waiting.num_rows, self._portion)
        self._portions += [waiting.slice(first, self._portion) for first in firsts]
        self._touched, self._distinct = TOUCHED.empty_table(), 0

    def _refresh_portion(self) -> None:
        self._sink.refresh_facts(self._portions[-1])
        self._portions.pop()

    def assigned(self, partitions: Collection[int]) -> None:
        """These are this worker's from now on: what its predecessor has left is to be computed."""
        self._assignment = _Assignment(frozenset(partitions))

    def step(self, committed: Mapping[Partition, int]) -> bool:
        """Compute a portion of the sessions that wait; when there is none left, one of what
        predecessors have left; when there is none either, note that the facts have all records
        below what was `committed` when the first of them began.

        Returns whether nothing is left over. One attempt; raises SinkUnavailable.
        """
        if not self._portions:
            self._begin()
            self._reaching = committed
        if self._portions:
            self._refresh_portion()
        assignment = self._assignment
        if self._portions or not self._compute_missing(assignment):
            return False
        reached = {
            partition: offset
            for partition, offset in self._reaching.items()
            if partition.topic in self._noted_topics
            and partition.partition in assignment.partitions
            and self._noted.get(partition) != offset
        }
        if reached:
            self._sink.note_facts_progress(reached, self._epoch)
            self._noted.update(reached)
        return True

    def _compute_missing(self, assignment: _Assignment) -> bool:
        """The next portion of what predecessors have left; returns whether it was the last."""
        if assignment.missing is None:
            assignment.missing = list(self._missing(assignment.partitions))
        if assignment.missing:
            self._sink.refresh_missing_facts(assignment.missing[-1])
            assignment.missing.pop()
        return not assignment.missing

    def _missing(self, partitions: frozenset[int]) -> Collection[FactsPortion]:
        progress = self._sink.facts_progress(self._topics)
        sessions, events = (
            {number: progress.get(Partition(topic, number), 0) for number in partitions}
            for topic in self._topics
        )
        return self._sink.missing_facts(sessions, events)


class FactsSchedule:
    """Runs the refresh when it is due. One that fails is tried again after its pause."""

    def __init__(self, facts: FactsRefresh, clock: Clock) -> None:
        self._facts = facts
        self._clock = clock
        self._began_at = self._ended_at = self._complete_at = clock.monotonic()
        self._took = 0.0
        self._has_failed = False
        WORKER_FACTS_LAG.set_function(lambda: clock.monotonic() - self._complete_at)

    def is_due(self, *, is_idle: bool) -> bool:
        """`is_idle`: nothing else waits to be written."""
        if not self._has_failed and (self._facts.has_many or self._facts.is_under_way):
            return True
        longest = _LONGEST_SECONDS
        if not is_idle:
            longest = max(longest, _TIMES_IN_BACKLOG * self._took)
        pause = min(max(SHORTEST_SECONDS, _TIMES * self._took), longest)
        return self._clock.monotonic() >= self._ended_at + pause

    def run(self, committed: Mapping[Partition, int]) -> None:
        """Blocks. `committed` was asked before: all of it is written."""
        started = self._clock.monotonic()
        if not self._facts.is_under_way:
            self._began_at, self._took = started, 0.0
        try:
            if self._facts.step(committed):
                self._complete_at = self._began_at
            self._has_failed = False
        except Unavailable as error:
            self._has_failed = True
            log.warning("facts are not refreshed yet: %s", error)
        self._ended_at = self._clock.monotonic()
        self._took += self._ended_at - started
        WORKER_FACTS_SECONDS.observe(self._ended_at - started)
