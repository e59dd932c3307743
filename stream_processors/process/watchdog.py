"""Whether a worker still makes progress. A consumer can die quietly; its lag then tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.kafka.partitions import Partition

# After so long without progress Kafka is asked whether it is there, at each look. Not only when the
# time is over: Kafka may have come back a moment before, and nobody has had time to go on.
_DOUBTFUL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """Where one partition stands: the group's committed offset, and the end of the log."""

    committed: int
    end: int


class Watchdog:
    """Remembers since when each partition has had records waiting and has not moved."""

    def __init__(self, stall_seconds: float, kafka_listens: Callable[[], bool]) -> None:
        self._stall_seconds = stall_seconds
        self._kafka_listens = kafka_listens
        self._seen: dict[Partition, tuple[int, float]] = {}

    def stalled(
        self, progress: Mapping[Partition, PartitionProgress], now: float
    ) -> list[Partition]:
        """Partitions without progress for too long, `now` in seconds of a monotonic clock.

        A partition that is not in `progress` (not ours any more) is forgotten. While Kafka is away
        nobody is stalled. Blocks as long as `kafka_listens` does.
        """
        self._look(progress, now)
        waited = {p: now - since for p, (_, since) in self._seen.items()}
        doubtful = min(_DOUBTFUL_SECONDS, self._stall_seconds)
        if max(waited.values(), default=0.0) >= doubtful and not self._kafka_listens():
            self.restart_clocks(now)
            return []
        return [p for p, seconds in waited.items() if seconds >= self._stall_seconds]

    def restart_clocks(self, now: float) -> None:
        """A server is known to be down: nobody can make progress, so the clocks start again."""
        self._seen = {p: (committed, now) for p, (committed, _) in self._seen.items()}

    def _look(self, progress: Mapping[Partition, PartitionProgress], now: float) -> None:
        seen = {}
        for partition, where in progress.items():
            committed, since = self._seen.get(partition, (-1, now))
            moved = where.committed != committed or where.committed >= where.end
            seen[partition] = where.committed, now if moved else since
        self._seen = seen
