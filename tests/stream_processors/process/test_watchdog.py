from __future__ import annotations

from core.kafka.partitions import Partition
from stream_processors.process.watchdog import PartitionProgress, Watchdog

A = Partition("clickstream.events", 0)


def watchdog_of(stall_seconds: float, *, kafka_listens: bool = True) -> Watchdog:
    return Watchdog(stall_seconds, lambda: kafka_listens)


def test_a_partition_with_records_and_no_commit_for_too_long_is_stalled() -> None:
    watchdog = watchdog_of(60)
    assert watchdog.stalled({A: PartitionProgress(5, 9)}, now=0) == []
    assert watchdog.stalled({A: PartitionProgress(5, 9)}, now=59) == []
    assert watchdog.stalled({A: PartitionProgress(5, 9)}, now=60) == [A]


def test_an_idle_partition_never_stalls() -> None:
    watchdog = watchdog_of(60)
    for now in range(0, 1000, 100):
        assert watchdog.stalled({A: PartitionProgress(9, 9)}, now=now) == []


def test_any_commit_starts_the_clock_again() -> None:
    watchdog = watchdog_of(60)
    watchdog.stalled({A: PartitionProgress(5, 9)}, now=0)
    watchdog.stalled({A: PartitionProgress(6, 9)}, now=50)
    assert watchdog.stalled({A: PartitionProgress(6, 9)}, now=100) == []


def test_a_partition_that_went_away_and_came_back_starts_afresh() -> None:
    watchdog = watchdog_of(60)
    watchdog.stalled({A: PartitionProgress(5, 9)}, now=0)
    watchdog.stalled({}, now=30)
    assert watchdog.stalled({A: PartitionProgress(5, 9)}, now=61) == []


def test_a_server_that_is_known_to_be_down_excuses_everyone() -> None:
    watchdog = watchdog_of(60)
    watchdog.stalled({A: PartitionProgress(5, 9)}, now=0)
    watchdog.restart_clocks(now=59)
    assert watchdog.stalled({A: PartitionProgress(5, 9)}, now=100) == []
    assert watchdog.stalled({A: PartitionProgress(5, 9)}, now=119) == [A]


def test_kafka_is_the_reason_as_long_as_it_is_away_and_not_after() -> None:
    back_at = 59.0
    watchdog = Watchdog(60, lambda: now >= back_at)
    now = 0.0
    while not watchdog.stalled({A: PartitionProgress(5, 9)}, now=now):
        now += 2
    # Everybody has had (but for the seconds between two questions) the whole time since.
    assert back_at + 50 < now <= back_at + 60


def test_kafka_is_not_asked_while_all_is_well_and_always_before_somebody_is_stalled() -> None:
    asked = []
    watchdog = Watchdog(3, lambda: bool(asked.append(1)))
    for now in range(10):
        assert watchdog.stalled({A: PartitionProgress(9, 9)}, now=now) == []
    assert not asked
    for now in range(10, 20):
        assert watchdog.stalled({A: PartitionProgress(9, 11)}, now=now) == []
    assert asked
