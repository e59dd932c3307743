"""Quotients of sums over users, and differences of two of them.

The searches of one user resemble each other, so users are what is independent, not searches. The
delta method gives the variance of Σx / Σy over users (Deng, Knoblich, Lu 2018, *Applying the Delta
Method in Metric Analytics*, KDD); of the two samples Welch's test takes the difference. Where every
user has y = 1, this is Welch's t-test to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, sqrt

from api.statistics.intervals import Interval


@dataclass(frozen=True, slots=True)
class UserSums:
    """Sums over users, of whom each has a numerator x and a denominator y. x counts in `parts`."""

    users: int
    x: int
    y: int
    xx: int
    yy: int
    xy: int
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Ratio:
    """A quotient, and the variance of it (None with less than two users)."""

    users: int
    value: float
    variance: float | None

    def interval(self, confidence: float) -> Interval | None:
        """Around the value, by Student's distribution with users - 1 degrees of freedom. None with
        less than two users, and where users do not differ: then nothing is known of those that
        were not seen."""
        if not self.variance:
            return None
        return _around(self.value, self.variance, self.users - 1, confidence)


@dataclass(frozen=True, slots=True)
class Difference:
    """Treatment less control. `p` is that of a difference of 0, two-sided."""

    value: float
    interval: Interval
    p: float
    relative: float | None
    relative_interval: Interval | None


def ratio(sums: UserSums) -> Ratio | None:
    """None when there is nothing to divide by."""
    if sums.users <= 0 or sums.y == 0:
        return None
    n, value = sums.users, sums.x / (sums.y * sums.parts)
    if n == 1:
        return Ratio(n, value, None)
    # y² times the sum of the squares of x - value · y. In integers: where users differ little,
    # floats would cancel each other out.
    residuals = sums.y**2 * sums.xx - 2 * sums.x * sums.y * sums.xy + sums.x**2 * sums.yy
    variance = n * max(residuals, 0) / ((n - 1) * sums.y**4 * sums.parts**2)
    return Ratio(n, value, variance)


def difference(control: Ratio, treatment: Ratio, confidence: float) -> Difference | None:
    """None where a variance is missing, or where neither sample varies."""
    if control.variance is None or treatment.variance is None:
        return None
    variance = control.variance + treatment.variance
    if variance == 0:
        return None
    value = treatment.value - control.value
    degrees = variance**2 / (
        control.variance**2 / (control.users - 1) + treatment.variance**2 / (treatment.users - 1)
    )
    relative, relative_interval = _relative(control, treatment, degrees, confidence)
    return Difference(
        value,
        _around(value, variance, degrees, confidence),
        two_sided_p(value / sqrt(variance), degrees),
        relative,
        relative_interval,
    )


def _relative(
    control: Ratio, treatment: Ratio, degrees: float, confidence: float
) -> tuple[float | None, Interval | None]:
    """Of the control's value, again by the delta method. None when the control is 0."""
    if control.value == 0 or control.variance is None or treatment.variance is None:
        return None, None
    quotient = treatment.value / control.value
    variance = (treatment.variance + quotient**2 * control.variance) / control.value**2
    if not isfinite(variance):
        return None, None
    return quotient - 1, _around(quotient - 1, variance, degrees, confidence)


def two_sided_p(t: float, degrees: float = inf) -> float:
    """Of Student's distribution, or of the normal one."""
    from scipy.special import ndtr, stdtr

    tail = ndtr(-abs(t)) if degrees == inf else stdtr(degrees, -abs(t))
    return float(min(1.0, 2 * tail))


def _around(value: float, variance: float, degrees: float, confidence: float) -> Interval:
    from scipy.special import stdtrit

    half = float(stdtrit(degrees, (1 + confidence) / 2)) * sqrt(variance)
    return Interval(value - half, value + half)
