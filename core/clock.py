"""Time as an argument, so that tests need no sleeps and no patching."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """The time of day, and a time for measuring intervals."""

    def now_ms(self) -> int:
        """Wall time in milliseconds since the epoch; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back. For intervals and deadlines."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()
