from __future__ import annotations

import numpy as np

from stream_processors.join.session_day import OVERFLOW_DAY, DayWindow

DAY_MS = 86_400_000
RECEIVED = 20_000 * DAY_MS + 5_000


def day(created_ms: int, received_ms: int = RECEIVED) -> int:
    window = DayWindow(past=35, future=1)
    return int(window.days_of(np.array([created_ms]), np.array([received_ms]))[0])


def test_a_session_of_today_has_todays_partition() -> None:
    assert day(RECEIVED) == 20_000


def test_the_window_is_inclusive_at_both_ends() -> None:
    assert day(19_965 * DAY_MS) == 19_965
    assert day(20_001 * DAY_MS + DAY_MS - 1) == 20_001


def test_everything_outside_shares_one_partition() -> None:
    assert day(19_965 * DAY_MS - 1) == OVERFLOW_DAY
    assert day(20_002 * DAY_MS) == OVERFLOW_DAY


def test_the_day_depends_on_the_record_alone_not_on_when_it_is_processed() -> None:
    assert day(RECEIVED - DAY_MS) == day(RECEIVED - DAY_MS)
    assert day(RECEIVED, received_ms=RECEIVED + 36 * DAY_MS) == OVERFLOW_DAY
