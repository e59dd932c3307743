"""When to delete waiting events that were adopted: they are stored as joined events by then."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

from core.clock import Clock
from core.errors import Unavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Pauses:
    """Shortest and longest pause between two deletions, seconds."""

    shortest: float
    longest: float

    def pause_after(self, took: float) -> float:
        """20 times as long as the deletion took, within the bounds."""
        return min(max(self.shortest, 20 * took), self.longest)


# A deletion is a mutation of ClickHouse: one per flush would take longer than the flush.
OWN = _Pauses(2.0, 60.0)

# A worker may die between its commit and its deletion, and one that has lost its partitions without
# noticing may store an event as waiting that its successor has joined. This reads all days.
EVERYWHERE = _Pauses(60.0, 600.0)


class AdoptedDeletions(Protocol):
    """The two deletions. Each blocks, makes one attempt and raises Unavailable. Neither may run
    beside a write."""

    def delete_adopted(self) -> None:
        """Of what this worker has adopted."""
        ...

    def delete_adopted_everywhere(self) -> None:
        """Of what any worker has adopted, once it has adopted what every worker missed."""
        ...


class DeleteAdoptedSchedule:
    """Runs each deletion when it is due. A deletion that fails is tried again after its pause."""

    def __init__(self, deletions: AdoptedDeletions, clock: Clock) -> None:
        self._deletions = deletions
        self._clock = clock
        self._adopted = False
        self._own_at = self._everywhere_at = clock.monotonic() + OWN.shortest

    def note_adopted(self) -> None:
        """This worker has adopted events since its last deletion."""
        self._adopted = True

    def is_due(self) -> bool:
        """Whether `run` would delete anything now."""
        now = self._clock.monotonic()
        return now >= self._everywhere_at or (self._adopted and now >= self._own_at)

    def run(self) -> None:
        """The deletion that is due; that of everybody's adoptions includes our own. Blocks."""
        started = self._clock.monotonic()
        everywhere = started >= self._everywhere_at
        try:
            if everywhere:
                self._deletions.delete_adopted_everywhere()
            else:
                self._deletions.delete_adopted()
        except Unavailable as error:
            log.warning("adopted events are not deleted yet: %s", error)
        else:
            self._adopted = False
        ended = self._clock.monotonic()
        self._own_at = ended + OWN.pause_after(ended - started)
        if everywhere:
            self._everywhere_at = ended + EVERYWHERE.pause_after(ended - started)
