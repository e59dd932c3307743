"""Token buckets: how many requests each caller may make.

Each bucket is one number, the time at which it will be full again (the virtual scheduling form of
the generic cell rate algorithm, ITU-T I.371): no timer fills buckets, and a full one is forgotten.
"""

from __future__ import annotations

from math import ceil
from typing import Final, NamedTuple

from core.clock import Clock
from core.errors import TooManyRequests
from core.http.raw_response import Header

# Client addresses are made up by whoever has many: when there are so many buckets, the full ones
# are forgotten, and then the oldest. 64 Ki buckets have some 10 MiB.
_MOST_BUCKETS: Final = 65_536


class Decision(NamedTuple):
    """What one request left of its caller's bucket. A tuple, because each request makes one."""

    is_granted: bool
    remaining: int
    """Requests that fit at once."""
    reset_seconds: float
    """Until the bucket is full."""
    wait_seconds: float
    """Until a request fits; 0 when one does."""


class RateLimiter:
    """The buckets of all callers of one process."""

    def __init__(
        self,
        per_second: float,
        burst: int,
        clock: Clock,
        most_buckets: int = _MOST_BUCKETS,
    ) -> None:
        self._interval = 1 / per_second
        self._burst = burst
        self._depth = burst / per_second
        self._clock = clock
        self._most = most_buckets
        self._limit = (b"ratelimit-limit", b"%d" % burst)
        self._full_at: dict[str, float] = {}

    def take(self, caller: str) -> Decision:
        """Take a token, if there is one. At most `burst + per_second * t` are granted in any t
        seconds."""
        now = self._clock.monotonic()
        known = self._full_at.get(caller)
        full_at = now if known is None or known < now else known
        after = full_at + self._interval
        over = after - now - self._depth
        # A hair's breadth for rounding: burst tokens make a depth, also when floats add them up.
        if over > self._interval * 1e-6:
            return Decision(False, 0, full_at - now, over)
        if known is None and len(self._full_at) >= self._most:
            self._forget(now)
        self._full_at[caller] = after
        remaining = max(0, int(-over / self._interval + 1e-6))
        return Decision(True, remaining, after - now, 0.0)

    def admit(self, caller: str) -> tuple[Header, ...]:
        """The headers that tell the caller its quota. Raises TooManyRequests."""
        is_granted, remaining, reset, wait = self.take(caller)
        if not is_granted:
            raise self._refusal(reset, wait)
        return (
            self._limit,
            (b"ratelimit-remaining", b"%d" % remaining),
            (b"ratelimit-reset", b"%d" % ceil(reset)),
        )

    def _refusal(self, reset: float, wait: float) -> TooManyRequests:
        seconds = max(1, ceil(wait))
        headers = {
            "ratelimit-limit": str(self._burst),
            "ratelimit-remaining": "0",
            "ratelimit-reset": str(ceil(reset)),
        }
        message = f"more than {1 / self._interval:g} requests a second: wait {seconds} s"
        return TooManyRequests(message, seconds, headers)

    def _forget(self, now: float) -> None:
        self._full_at = {who: at for who, at in self._full_at.items() if at > now}
        while len(self._full_at) >= self._most:
            del self._full_at[next(iter(self._full_at))]
