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
    """Between two deletions: `times` as long as the first took, within the bounds. Seconds."""

    shortest: float
    longest: float
    times: float = 20.0

    def pause_after(self, took: float) -> float:
        return min(max(self.shortest, self.times * took), self.longest)


# A deletion is a mutation of ClickHouse: one per flush would take longer than the flush.
OWN = _Pauses(2.0, 60.0)

# Between portions of what a flush left: its events have their session and are not joined yet.
LEFT = _Pauses(0.0, 60.0, times=1.0)

# A worker may die between its commit and its deletion, and one that has lost its partitions without
# noticing may store an event as waiting that its successor has joined. So one worker looks through
# everything that waits, step by step.
EVERYWHERE = _Pauses(60.0, 600.0)


class AdoptedDeletions(Protocol):
    """The two deletions. Each blocks, makes one attempt and raises Unavailable. Neither may run
    beside a write."""

    def delete_adopted(self) -> bool:
        """Of what this worker has adopted. Adopts the next portion of what its flushes left, which
        `clean_up_portion` deletes. Returns whether nothing is left."""
        ...

    def clean_up_portion(self) -> bool:
        """Of what any worker has adopted, once it has adopted what every worker missed: the next
        bounded portion. Returns whether that was the last."""
        ...


class DeleteAdoptedSchedule:
    """Runs each deletion when it is due. A deletion that fails is tried again after its pause."""

    def __init__(self, deletions: AdoptedDeletions, clock: Clock) -> None:
        self.owns_clean_up = True
        """Whether this worker is the one that cleans up after everybody. From any thread."""
        self._deletions = deletions
        self._clock = clock
        self._adopted = self._has_left = False
        self._own_at = self._everywhere_at = clock.monotonic() + OWN.shortest

    def note_adopted(self, *, has_left: bool = False) -> None:
        """This worker has adopted events since its last deletion, or has left some to it."""
        self._adopted = True
        self._has_left |= has_left

    def is_due(self) -> bool:
        """Whether `run` would delete anything now."""
        now = self._clock.monotonic()
        return self._is_everywhere_due(now) or (self._adopted and now >= self._own_at)

    def _is_everywhere_due(self, now: float) -> bool:
        return self.owns_clean_up and now >= self._everywhere_at

    def run(self) -> None:
        """The deletion that is due; of everybody's adoptions, the next portion. Blocks."""
        started = self._clock.monotonic()
        everywhere = self._is_everywhere_due(started)
        is_last = True
        try:
            if everywhere:
                is_last = self._deletions.clean_up_portion()
            else:
                self._adopted = self._has_left = not self._deletions.delete_adopted()
        except Unavailable as error:
            log.warning("adopted events are not deleted yet: %s", error)
        ended = self._clock.monotonic()
        own = LEFT if self._has_left else OWN
        self._own_at = ended + own.pause_after(ended - started)
        if everywhere:
            pauses = EVERYWHERE if is_last else OWN
            self._everywhere_at = ended + pauses.pause_after(ended - started)
