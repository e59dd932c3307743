"""Token buckets, by what they promise."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import TooManyRequests
from core.http.rate_limiter import RateLimiter
from tests.clock import ManualClock

# Such that buckets run dry, and fill up again.
PAUSES = st.lists(
    st.just(0.0) | st.floats(0, 0.5, allow_subnormal=False), min_size=20, max_size=100
)
RATES = st.floats(0.5, 20)
BURSTS = st.integers(1, 8)


def granted_at(rates: RateLimiter, clock: ManualClock, pauses: list[float]) -> list[float]:
    """The times at which one caller was let through."""
    times = []
    for pause in pauses:
        clock.advance(pause)
        if rates.take("me").is_granted:
            times.append(clock.monotonic())
    return times


@given(RATES, BURSTS, PAUSES)
def test_no_window_has_more_than_the_burst_and_its_share(
    per_second: float, burst: int, pauses: list[float]
) -> None:
    clock = ManualClock()
    times = granted_at(RateLimiter(per_second, burst, clock), clock, pauses)
    for first in range(len(times)):
        for last in range(first, len(times)):
            share = burst + per_second * (times[last] - times[first])
            assert last - first + 1 <= share + 1e-3


@given(RATES, BURSTS, PAUSES)
def test_whoever_waits_as_told_is_let_through(
    per_second: float, burst: int, pauses: list[float]
) -> None:
    clock = ManualClock()
    rates = RateLimiter(per_second, burst, clock)
    for pause in pauses:
        clock.advance(pause)
        quota = rates.take("me")
        if not quota.is_granted:
            assert quota.wait_seconds > 0
            clock.advance(quota.wait_seconds)
            assert rates.take("me").is_granted


@given(RATES, BURSTS)
def test_a_burst_fits_and_what_remains_is_told(per_second: float, burst: int) -> None:
    rates = RateLimiter(per_second, burst, ManualClock())
    quotas = [rates.take("me") for _ in range(burst)]
    assert all(quota.is_granted for quota in quotas)
    assert [quota.remaining for quota in quotas] == list(range(burst - 1, -1, -1))
    assert all(a.reset_seconds < b.reset_seconds for a, b in pairwise(quotas))
    assert not rates.take("me").is_granted


@given(RATES, BURSTS, PAUSES)
def test_a_caller_that_keeps_to_its_rate_is_never_refused(
    per_second: float, burst: int, pauses: list[float]
) -> None:
    clock = ManualClock()
    rates = RateLimiter(per_second, burst, clock)
    for pause in pauses:
        clock.advance(pause + 1 / per_second)
        assert rates.take("me").is_granted


def test_callers_do_not_share_a_bucket() -> None:
    rates = RateLimiter(1, 1, ManualClock())
    assert rates.take("me").is_granted
    assert not rates.take("me").is_granted
    assert rates.take("you").is_granted


def test_made_up_callers_do_not_fill_the_memory() -> None:
    clock = ManualClock()
    rates = RateLimiter(1, 2, clock, most_buckets=100)
    for number in range(10_000):
        rates.take(f"address {number}")
        clock.advance(0.001)
    assert len(rates._full_at) <= 100


def test_full_buckets_are_forgotten_before_those_in_use() -> None:
    clock = ManualClock()
    rates = RateLimiter(1, 1, clock, most_buckets=2)
    rates.take("old")
    clock.advance(0.5)
    rates.take("busy")
    clock.advance(0.6)
    rates.take("new")
    assert not rates.take("busy").is_granted


def test_the_refusal_says_when_to_come_back() -> None:
    rates = RateLimiter(0.1, 1, ManualClock())
    assert dict(rates.admit("me")) == {
        b"ratelimit-limit": b"1",
        b"ratelimit-remaining": b"0",
        b"ratelimit-reset": b"10",
    }
    with pytest.raises(TooManyRequests, match="wait 10 s") as caught:
        rates.admit("me")
    assert caught.value.retry_after == 10
    assert caught.value.headers["ratelimit-remaining"] == "0"
