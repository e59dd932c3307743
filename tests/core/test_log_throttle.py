"""An outage is worth a line a minute of each kind."""

from __future__ import annotations

import logging

import pytest

from core.log_throttle import ThrottleFilter
from tests.clock import ManualClock


def record(name: str, line: str, level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord(name, level, "", 0, line, (), None)


def test_a_library_says_a_line_once_a_minute_and_how_often_it_was_held_back() -> None:
    clock = ManualClock()
    repeats = ThrottleFilter(clock.monotonic)
    passed = []
    for attempt in range(130):
        line = record("aiokafka.conn", f"Unable to connect to port {20_000 + attempt}")
        if repeats.filter(line):
            passed.append(line.getMessage())
        clock.advance(1)
    assert passed == [
        "Unable to connect to port 20000",
        "Unable to connect to port 20060 (59 more since)",
        "Unable to connect to port 20120 (59 more since)",
    ]


def test_what_is_no_warning_is_never_held_back() -> None:
    repeats = ThrottleFilter(ManualClock().monotonic)
    assert all(repeats.filter(record("faust", "assigned", logging.INFO)) for _ in range(3))


def test_other_lines_and_our_own_pass() -> None:
    repeats = ThrottleFilter(ManualClock().monotonic)
    assert repeats.filter(record("aiokafka", "one"))
    assert repeats.filter(record("aiokafka", "two"))
    assert all(repeats.filter(record("stream_processors.process.retry", "again")) for _ in range(3))


def test_ids_of_queries_make_no_other_line() -> None:
    repeats = ThrottleFilter(ManualClock().monotonic)
    lines = [
        record("urllib3", f"Retrying: /?query_id={id_}")
        for id_ in (
            "874d6b77-239e-43f7-9d41-970553f281dc",
            "bfc7e6e2-24c6-4cb9-9cd3-3d76e90da3ab",
        )
    ]
    assert [repeats.filter(line) for line in lines] == [True, False]


def test_after_the_outage_the_next_record_brings_the_count_that_is_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    repeats = ThrottleFilter(clock.monotonic)
    for _ in range(30):
        repeats.filter(record("aiokafka.conn", "Unable to connect"))
        clock.advance(1)
    assert repeats.filter(record("core.http.server", "going on"))
    assert not caplog.messages  # the minute is not over: the line may come again
    clock.advance(60)
    assert repeats.filter(record("core.http.server", "going on"))
    assert repeats.filter(record("core.http.server", "going on"))
    assert caplog.record_tuples == [
        ("aiokafka.conn", logging.ERROR, "Unable to connect (29 more since)")
    ]
