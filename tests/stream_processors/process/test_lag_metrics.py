"""What a worker says of its lag: of its own partitions, and of no others."""

from __future__ import annotations

from prometheus_client import REGISTRY

from core.kafka.partitions import Partition
from stream_processors.process.lag_metrics import LagMetrics

A, B = Partition("lag.events", 0), Partition("lag.events", 1)


def shown(name: str, partition: Partition) -> float | None:
    labels = {"topic": partition.topic, "partition": str(partition.partition)}
    return REGISTRY.get_sample_value(f"clickstream_worker_{name}", labels)


def test_lag_is_shown_in_records_and_in_seconds() -> None:
    LagMetrics().show({A: 7, B: 0}, {A: 8_500, B: None}, now_ms=10_000)
    assert (shown("lag", A), shown("lag_seconds", A)) == (7, 1.5)
    assert (shown("lag", B), shown("lag_seconds", B)) == (0, 0)


def test_a_record_from_the_future_has_no_age() -> None:
    LagMetrics().show({A: 1}, {A: 12_000}, now_ms=10_000)
    assert shown("lag_seconds", A) == 0


def test_a_partition_that_was_taken_away_is_not_shown_any_more() -> None:
    metrics = LagMetrics()
    metrics.show({A: 7, B: 1}, {A: 1, B: 1}, now_ms=10_000)
    metrics.show({B: 1}, {B: 1}, now_ms=10_000)
    assert (shown("lag", A), shown("lag_seconds", A)) == (None, None)
    assert shown("lag", B) == 1
