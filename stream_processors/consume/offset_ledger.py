"""Which offsets may be committed: pure book-keeping, no I/O.

The one promise: an offset is committable only when every record below it that was handed out under
the current assignment has been written. Batches may be finished in any order, twice, or never;
partitions may be taken away and come back at any moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.errors import OffsetGap
from core.kafka.partitions import Partition


@dataclass(slots=True)
class _Assigned:
    """One partition under one generation.

    `in_flight` maps the first offset of each batch that is handed out and not yet written to when
    its oldest record was produced (milliseconds since the epoch; 0: not known). `position` is the
    end of everything handed out; None until the first fetch.
    """

    generation: int
    in_flight: dict[int, int] = field(default_factory=dict)
    position: int | None = None
    committed: int | None = None

    def committable(self) -> int | None:
        # Batches are handed out in log order, so the lowest one in flight bounds the commit. With
        # none in flight everything up to the position is done, gaps in the log included.
        return min(self.in_flight) if self.in_flight else self.position


class OffsetLedger:
    """What was handed out, what is written, what may be committed; per partition."""

    def __init__(self) -> None:
        self._assigned: dict[Partition, _Assigned] = {}

    def assign(self, partitions: Iterable[Partition], generation: int) -> None:
        """A new assignment: everything known of these partitions is forgotten."""
        for partition in partitions:
            self._assigned[partition] = _Assigned(generation)

    def revoke(self, partitions: Iterable[Partition]) -> None:
        """These partitions are another worker's now."""
        for partition in partitions:
            self._assigned.pop(partition, None)

    def is_current(self, partition: Partition, generation: int) -> bool:
        """Whether a batch of that generation may still be worked on here."""
        assigned = self._assigned.get(partition)
        return assigned is not None and assigned.generation == generation

    def start_at(self, partition: Partition, generation: int, offset: int) -> None:
        """Reading begins at this committed offset: the first batch must follow on from it."""
        assigned = self._current(partition, generation)
        if assigned is not None and not assigned.in_flight:
            assigned.position = assigned.committed = offset

    def position_of(self, partition: Partition, generation: int) -> int | None:
        """The end of everything handed out; None when the partition is not ours or unknown."""
        assigned = self._current(partition, generation)
        return None if assigned is None else assigned.position

    def advance(self, partition: Partition, generation: int, offset: int) -> None:
        """Skip to `offset`: every record below it was handed out, or is not in the log (a gap, or
        deleted by its retention). The next batch may begin there."""
        assigned = self._current(partition, generation)
        if assigned is not None:
            assigned.position = max(offset, assigned.position or 0)

    def hand_out(
        self, partition: Partition, generation: int, first: int, next_: int, produced_ms: int = 0
    ) -> None:
        """A batch covering [first, next_) goes to the flush. `produced_ms` is that of its oldest
        record.

        Raises OffsetGap when it does not follow on from the batch before: records in between were
        fetched and never handed out, and committing past them would lose them.
        """
        assigned = self._current(partition, generation)
        if assigned is None:
            return
        if assigned.position is not None and first > assigned.position:
            raise OffsetGap(
                f"{partition.topic}/{partition.partition}: fetched from {first}, "
                f"but the last batch ended at {assigned.position}"
            )
        assigned.in_flight.setdefault(first, produced_ms)
        assigned.position = max(next_, assigned.position or 0)

    def written(self, partition: Partition, generation: int, first: int) -> None:
        """The batch that began at `first` is in ClickHouse. Twice, late or unknown: no effect."""
        assigned = self._current(partition, generation)
        if assigned is not None:
            assigned.in_flight.pop(first, None)

    def committable(self) -> dict[Partition, int]:
        """Offsets to commit now: only partitions whose offset has moved since `committed`."""
        due = {}
        for partition, assigned in self._assigned.items():
            offset = assigned.committable()
            if offset is not None and offset != assigned.committed:
                due[partition] = offset
        return due

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """Kafka has acknowledged these."""
        for partition, offset in offsets.items():
            assigned = self._assigned.get(partition)
            if assigned is not None:
                assigned.committed = offset

    def last_committed(self) -> dict[Partition, int]:
        """The last committed offset of each partition that is ours; 0 where none is known."""
        return {partition: a.committed or 0 for partition, a in self._assigned.items()}

    def oldest_unwritten(self) -> dict[Partition, int | None]:
        """When the oldest record that was handed out and is not written yet was produced, of each
        partition that is ours: milliseconds since the epoch, None where there is none."""
        return {
            partition: min(filter(None, list(a.in_flight.values())), default=None)
            for partition, a in self._assigned.items()
        }

    def _current(self, partition: Partition, generation: int) -> _Assigned | None:
        assigned = self._assigned.get(partition)
        if assigned is None or assigned.generation != generation:
            return None
        return assigned
