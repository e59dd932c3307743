"""An erasure ends in time, and can be gone on with: what is done stays done."""

from __future__ import annotations

from core.clock import Clock
from core.errors import SinkBehind

# What is still to do then takes about that long.
_RETRY_SECONDS = 5


class Deadline:
    """So many seconds from now."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._end = clock.monotonic() + seconds

    def left(self, doing: str) -> float:
        """Seconds; raises SinkBehind when there are none."""
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise self.passed(doing)
        return left

    def passed(self, doing: str) -> SinkBehind:
        """The error for it."""
        return SinkBehind(
            f"the erasure is not complete after {self._seconds:g} s, {doing}: what was found is"
            " deleted; ask for it again, and it goes on",
            retry_after=_RETRY_SECONDS,
        )
