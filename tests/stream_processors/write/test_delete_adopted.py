"""When waiting events that were adopted are deleted, on a clock that the deletions move."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.errors import SinkUnavailable
from stream_processors.write.delete_adopted import EVERYWHERE, LEFT, OWN, DeleteAdoptedSchedule
from tests.clock import ManualClock

SECONDS = 5.0


@dataclass
class Deletions:
    """Each takes some seconds; of what was left, there are so many portions."""

    clock: ManualClock
    portions: int
    done: list[str] = field(default_factory=list)
    is_down: bool = False

    def delete_adopted(self) -> bool:
        self._take("own")
        self.portions -= 1
        return self.portions <= 0

    def clean_up_portion(self) -> bool:
        self._take("everywhere")
        return False

    def _take(self, name: str) -> None:
        self.clock.advance(SECONDS)
        self.done.append(name)
        if self.is_down:
            raise SinkUnavailable("it is down")


def test_what_a_flush_left_is_worked_off_without_the_pauses_of_a_clean_up() -> None:
    clock = ManualClock()
    deletions = Deletions(clock, portions=4)
    schedule = DeleteAdoptedSchedule(deletions, clock)
    schedule.note_adopted(has_left=True)
    clock.advance(OWN.shortest)
    began = clock.monotonic()
    while deletions.portions > 0:
        deletions.is_down = len(deletions.done) == 2
        if schedule.is_due():
            schedule.run()
        clock.advance(1.0)
        assert clock.monotonic() - began < EVERYWHERE.longest
    assert deletions.done.count("own") == 5  # one of them failed
    assert deletions.done.count("everywhere") <= 2
    most_seconds = len(deletions.done) * (SECONDS + LEFT.pause_after(SECONDS) + 1.0)
    assert clock.monotonic() - began <= most_seconds
