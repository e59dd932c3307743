"""An estimate and the interval around it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import sqrt
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both included."""

    low: float
    high: float

    def within(self, lowest: float, highest: float | None) -> Interval:
        """Cut off at what the number itself cannot exceed."""
        low, high = max(self.low, lowest), max(self.high, lowest)
        return Interval(low, high) if highest is None else Interval(low, min(high, highest))


@cache
def z_of(confidence: float) -> float:
    """How many standard deviations around the mean of a normal distribution hold this share."""
    # Not SciPy's: every rate of an overview has an interval, and an API that is asked for no more
    # is not to load SciPy.
    return NormalDist().inv_cdf((1 + confidence) / 2)


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Interval | None:
    """The score interval of a rate of independent trials (Wilson 1927, JASA 22, 209-212).

    None without trials. Raises ValueError when there are more successes than trials.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials")
    if trials == 0:
        return None
    z = z_of(confidence)
    middle = successes + z * z / 2
    half = z * sqrt(successes * (trials - successes) / trials + z * z / 4)
    total = trials + z * z
    # What rounding leaves of 0 and 1 is none.
    low = 0.0 if successes == 0 else (middle - half) / total
    high = 1.0 if successes == trials else (middle + half) / total
    return Interval(low, high)
