"""Which sessions' facts are to be computed again, and when: every second or so, so that it takes a
twentieth of the time. A session that was marked does not wait (`Flush.write`)."""

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
_LONGEST_SECONDS: Final = 5.0
_TIMES: Final = 20

# Sessions that wait for a refresh before the time: some megabytes.
_MOST_TOUCHED: Final = 50_000


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

    def __init__(self, sink: Sink, topics: Topics, epoch: int) -> None:
        self._sink = sink
        self._topics = (topics.sessions, topics.events)
        # The facts of a marked session are there before its mark is committed (`Flush.write`).
        self._noted_topics = (*self._topics, topics.marks)
        self._epoch = epoch
        self._touched = TOUCHED.empty_table()
        self._assignment = _Assignment(frozenset(), missing=[])
        self._noted: dict[Partition, int] = {}

    def touch(self, *touched: pa.Table) -> None:
        """Remember these sessions (`TOUCHED`)."""
        named = pa.concat_tables([self._touched, *touched])
        self._touched = once_each(named) if named.num_rows > self._touched.num_rows else named

    @property
    def is_full(self) -> bool:
        """Whether so many sessions wait that they should not wait longer."""
        return bool(self._touched.num_rows >= _MOST_TOUCHED)

    def refresh(self) -> None:
        """Compute the facts of the sessions that wait. One attempt; raises SinkUnavailable."""
        if self._touched.num_rows:
            self._sink.refresh_facts(self._touched)
            self._touched = TOUCHED.empty_table()

    def assigned(self, partitions: Collection[int]) -> None:
        """These are this worker's from now on: what its predecessor has left is to be computed."""
        self._assignment = _Assignment(frozenset(partitions))

    def step(self, committed: Mapping[Partition, int]) -> bool:
        """Refresh; then compute one portion of what predecessors have left, or, when there is none,
        note that the facts have all records below `committed`.

        Returns whether nothing is left over. One attempt; raises SinkUnavailable.
        """
        self.refresh()
        assignment = self._assignment
        if not self._compute_missing(assignment):
            return False
        reached = {
            partition: offset
            for partition, offset in committed.items()
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
        self._due_at = self._complete_at = clock.monotonic()
        WORKER_FACTS_LAG.set_function(lambda: clock.monotonic() - self._complete_at)

    def is_due(self) -> bool:
        return self._facts.is_full or self._clock.monotonic() >= self._due_at

    def run(self, committed: Mapping[Partition, int]) -> None:
        """Blocks. `committed` was asked before: all of it is written."""
        started = self._clock.monotonic()
        try:
            if self._facts.step(committed):
                self._complete_at = started
        except Unavailable as error:
            log.warning("facts are not refreshed yet: %s", error)
        ended = self._clock.monotonic()
        WORKER_FACTS_SECONDS.observe(ended - started)
        pause = min(max(SHORTEST_SECONDS, _TIMES * (ended - started)), _LONGEST_SECONDS)
        self._due_at = ended + pause
