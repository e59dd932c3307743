"""Every response that a client met, and what was wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

# What a caller is told when it cannot be served now, always with Retry-After.
TRY_LATER = (429, 503)


@dataclass
class Answers:
    """Counts by status; `broken_off` were requests without any answer, as when a process dies."""

    statuses: Counter[int] = field(default_factory=Counter)
    broken_off: int = 0
    hung: int = 0
    without_retry_after: int = 0
    slowest_seconds: float = 0.0
    surprises: list[str] = field(default_factory=list)

    def add(self, status: int, headers: Mapping[str, str], body: bytes, seconds: float) -> None:
        """One answer that has arrived."""
        self.statuses[status] += 1
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        if status in TRY_LATER:
            self.without_retry_after += "Retry-After" not in headers
        elif status != 200:
            self.surprises.append(f"{status}: {body[:200]!r}")

    @property
    def refused(self) -> int:
        return sum(self.statuses[status] for status in TRY_LATER)

    def check(self, within_seconds: float) -> None:
        """Fail unless each was 200, 429 or 503, the last two with Retry-After, all of them soon."""
        assert self.surprises == []
        assert self.without_retry_after == 0
        assert self.hung == 0
        assert self.slowest_seconds < within_seconds, self.slowest_seconds
