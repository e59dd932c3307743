from __future__ import annotations

from stream_processors.fetched import Partition
from stream_processors.watchdog import Progress, Watchdog

A = Partition("clickstream.events", 0)


def test_a_partition_with_records_and_no_commit_for_too_long_is_stalled() -> None:
    watchdog = Watchdog(stall_seconds=60)
    assert watchdog.stalled({A: Progress(5, 9)}, now=0) == []
    assert watchdog.stalled({A: Progress(5, 9)}, now=59) == []
    assert watchdog.stalled({A: Progress(5, 9)}, now=60) == [A]


def test_an_idle_partition_never_stalls() -> None:
    watchdog = Watchdog(stall_seconds=60)
    for now in range(0, 1000, 100):
        assert watchdog.stalled({A: Progress(9, 9)}, now=now) == []


def test_any_commit_starts_the_clock_again() -> None:
    watchdog = Watchdog(stall_seconds=60)
    watchdog.stalled({A: Progress(5, 9)}, now=0)
    watchdog.stalled({A: Progress(6, 9)}, now=50)
    assert watchdog.stalled({A: Progress(6, 9)}, now=100) == []


def test_a_partition_that_went_away_and_came_back_starts_afresh() -> None:
    watchdog = Watchdog(stall_seconds=60)
    watchdog.stalled({A: Progress(5, 9)}, now=0)
    watchdog.stalled({}, now=30)
    assert watchdog.stalled({A: Progress(5, 9)}, now=61) == []


def test_a_server_that_is_known_to_be_down_excuses_everyone() -> None:
    watchdog = Watchdog(stall_seconds=60)
    watchdog.stalled({A: Progress(5, 9)}, now=0)
    watchdog.excuse(now=59)
    assert watchdog.stalled({A: Progress(5, 9)}, now=100) == []
    assert watchdog.stalled({A: Progress(5, 9)}, now=119) == [A]
