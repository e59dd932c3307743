"""The lag of a worker's partitions, in records and in seconds, as metrics."""

from __future__ import annotations

from collections.abc import Mapping

from core.kafka.partitions import Partition
from core.telemetry import WORKER_LAG, WORKER_LAG_SECONDS


class LagMetrics:
    """The lag of our partitions, and of no others: another worker has it of those."""

    def __init__(self) -> None:
        self._shown: set[Partition] = set()

    def show(
        self, records: Mapping[Partition, int], oldest: Mapping[Partition, int | None], now_ms: int
    ) -> None:
        """Show the lag of these partitions, and remove all others.

        `records`: between the end of the log and the commit. `oldest`: when the oldest record that
        is fetched and not written was produced, milliseconds since the epoch; None: there is none.
        """
        for partition in self._shown - records.keys():
            for metric in (WORKER_LAG, WORKER_LAG_SECONDS):
                metric.remove(partition.topic, str(partition.partition))
        for partition, lag in records.items():
            labels = (partition.topic, str(partition.partition))
            produced_ms = oldest.get(partition) or now_ms
            WORKER_LAG.labels(*labels).set(lag)
            WORKER_LAG_SECONDS.labels(*labels).set(max(0, now_ms - produced_ms) / 1000)
        self._shown = set(records)
