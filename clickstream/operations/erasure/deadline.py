"""The time limit of an erasure. What is done until then stays done, and a second run resumes."""

from __future__ import annotations

from core.clock import Clock
from core.errors import SinkBehind

# Seconds after which the caller should try again.
_RETRY_SECONDS = 5


class Deadline:
    """A time limit of `seconds` from now."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._end = clock.monotonic() + seconds

    def remaining(self, doing: str) -> float:
        """The seconds that remain. Raises SinkBehind, with what was being done, when none do."""
        remaining = self._end - self._clock.monotonic()
        if remaining <= 0:
            raise self.exceeded(doing)
        return remaining

    def exceeded(self, doing: str) -> SinkBehind:
        """The error for an erasure that ran out of time while `doing` something."""
        return SinkBehind(
            f"the erasure is not complete after {self._seconds:g} s, {doing}: what was found is"
            " deleted; run it again to resume",
            retry_after=_RETRY_SECONDS,
        )
