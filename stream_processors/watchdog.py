"""Whether a worker still makes progress: pure. A consumer can die quietly; its lag then tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stream_processors.fetched import Partition


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one partition stands: the group's committed offset, and the end of the log."""

    committed: int
    end: int


class Watchdog:
    """Remembers since when each partition has had records waiting and has not moved."""

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._seen: dict[Partition, tuple[int, float]] = {}

    def stalled(self, progress: Mapping[Partition, Progress], now: float) -> list[Partition]:
        """Partitions without progress for too long, `now` in seconds of a monotonic clock.

        A partition that is not in `progress` (not ours any more) is forgotten.
        """
        self._seen = {p: seen for p, seen in self._seen.items() if p in progress}
        stuck = []
        for partition, where in progress.items():
            committed, since = self._seen.get(partition, (-1, now))
            if where.committed != committed or where.committed >= where.end:
                self._seen[partition] = (where.committed, now)
            elif now - since >= self._stall_seconds:
                stuck.append(partition)
        return stuck

    def excuse(self, now: float) -> None:
        """A server is known to be down: nobody can make progress, so the clocks start again."""
        self._seen = {p: (committed, now) for p, (committed, _) in self._seen.items()}
