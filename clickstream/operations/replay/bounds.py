"""Offsets, one per partition, as the queries take them."""

from __future__ import annotations

from dataclasses import dataclass

from clickstream.operations.log_offsets import Offsets
from schemas.topics import Topics


@dataclass(frozen=True, slots=True)
class Bounds:
    """What lies before `offsets` of the topics in their present epoch. A partition that is not
    named has nothing before."""

    topics: Topics
    epoch: int
    offsets: Offsets

    def parameters(self) -> dict[str, object]:
        """What every query with an `earlier` in it has to be given."""
        return {
            "epoch": self.epoch,
            "sessions": self.topics.sessions,
            "events": self.topics.events,
            "marks": self.topics.marks,
            "sessions_before": self._array(self.topics.sessions),
            "events_before": self._array(self.topics.events),
            "marks_before": self._array(self.topics.marks),
        }

    def _array(self, topic: str) -> list[int]:
        found = {p.partition: offset for p, offset in self.offsets.items() if p.topic == topic}
        return [found.get(number, 0) for number in range(max(found, default=-1) + 1)]
