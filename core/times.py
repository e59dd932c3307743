"""Times in requests: milliseconds since the epoch, as integers. One rule for writes and reads."""

from __future__ import annotations

from typing import Final

# Milliseconds for dates from 1973-03-03 to 2286-11-20. No date between the two, written in seconds,
# microseconds or nanoseconds, is a number in this range, so a wrong unit is always noticed.
EARLIEST_MS: Final = 100_000_000_000
LATEST_MS: Final = 10_000_000_000_000


def why_not_millis(value: int) -> str | None:
    """Why this is no time, and what to send; None when it is one."""
    if EARLIEST_MS <= value < LATEST_MS:
        return None
    advice = "send milliseconds since the epoch, such as 1701012345678"
    for unit, per_second in (("seconds", 1), ("microseconds", 10**6), ("nanoseconds", 10**9)):
        if EARLIEST_MS <= value * 1000 // per_second < LATEST_MS:
            return f"{value} looks like {unit}: {advice}"
    shown = value if abs(value) < 10**20 else "a number this large"
    return f"{shown} is no time between 1973 and 2286: {advice}"
