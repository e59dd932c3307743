"""Three estimates of the relevance of each pair, from the most naive to the most careful.

- ctr: clicks / impressions. It likes what was shown at the top.
- coec: clicks / expected clicks (*clicks over expected clicks*; Zhang, Jones 2007, *Comparing Click
  Logs and Editorial Labels for Training Query Rewriting*). Each impression expects what results at
  its position get on average. 1 is as expected. It blames what good rankings show at the bottom,
  where results are clicked less because they are worse.
- pbm: the likelihood that somebody who looks at the result clicks it, given how likely each
  position is looked at (`examination.py`).

All intervals are of the score kind, as Wilson's, whose end never leaves what is possible; they take
expectations and examination as known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from api.judgments.cells import Cells, Floats

Z: Final = 1.959963984540054
"""Of intervals of 95 %."""

_HALVINGS: Final = 40
"""Of the interval in which a number between 0 and 1 is looked for: to 12 digits."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One value for each pair, NaN where there is none."""

    values: Floats
    low: Floats
    high: Floats


def ctr(cells: Cells) -> Estimate:
    """Clicks / impressions, with Wilson's interval."""
    impressions, clicks = cells.of_pairs(cells.impressions), cells.of_pairs(cells.clicks)
    return _wilson(impressions, clicks)


def coec(cells: Cells, rates: Floats) -> Estimate:
    """Clicks / expected clicks. `rates`: clicks / impressions of each position, from the top."""
    impressions, clicks = cells.of_pairs(cells.impressions), cells.of_pairs(cells.clicks)
    expected = expected_clicks(cells, rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(expected > 0, impressions / expected, np.nan)
    plain = _wilson(impressions, clicks)
    return Estimate(plain.values * scale, plain.low * scale, plain.high * scale)


def expected_clicks(cells: Cells, rates: Floats) -> Floats:
    """Of each pair: what results at its positions get on average, added up."""
    return cells.of_pairs(cells.impressions * rates[cells.positions - 1])


def pbm(cells: Cells, theta: Floats) -> Estimate:
    """Attractiveness: the rate of clicks at the position whose examination is 1. `theta`: the
    examination of each position, from the top. What was shown where it is NaN does not count."""
    known = np.isfinite(theta[cells.positions - 1])
    total = cells.pair_count
    usable = Cells(
        cells.pairs,
        cells.positions,
        np.where(known, cells.impressions, 0.0),
        np.where(known, cells.clicks, 0.0),
    )
    weights = np.where(known, np.nan_to_num(theta)[cells.positions - 1], 0.0)
    examined = usable.of_pairs(usable.impressions * weights)
    clicks = usable.of_pairs(usable.clicks)
    # A probability at each position where it was shown.
    most = np.zeros(total)
    np.maximum.at(most, cells.pairs, weights)
    most = 1 / np.maximum(most, 1)
    score = _Score(usable, weights, clicks)
    value = score.root(0.0, np.zeros(total), most)
    value = np.where(clicks == 0, 0.0, value)
    low = np.where(clicks == 0, 0.0, score.root(Z, np.zeros(total), value))
    high = score.root(-Z, value, most)
    nothing = examined == 0
    return Estimate(*(np.where(nothing, np.nan, each) for each in (value, low, high)))


@dataclass(frozen=True, slots=True)
class _Score:
    """The derivative of the likelihood by attractiveness, in its standard deviations: it falls as
    attractiveness rises. With an examination of 1 everywhere, its roots are Wilson's interval."""

    cells: Cells
    weights: Floats
    clicks: Floats

    def root(self, level: float, low: Floats, high: Floats) -> Floats:
        """Where it is `level`, between these; an end, when it is beyond."""
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            above = self._at(middle) > level
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return (low + high) / 2

    def _at(self, alpha: Floats) -> Floats:
        cells = self.cells
        rate = np.minimum(self.weights * alpha[cells.pairs], 1 - 1e-15)
        left = (cells.clicks - cells.impressions * rate) / (1 - rate)
        information = cells.of_pairs(cells.impressions * rate / (1 - rate))
        root = np.sqrt(np.maximum(information, 1e-300))
        return np.asarray(cells.of_pairs(left) / root)


def _wilson(trials: Floats, successes: Floats) -> Estimate:
    """api.statistics.intervals.wilson, for arrays."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(trials > 0, successes / trials, np.nan)
        middle = successes + Z * Z / 2
        spread = np.maximum(successes * (trials - successes) / trials, 0) + Z * Z / 4
        half = Z * np.sqrt(spread)
    total = trials + Z * Z
    low = np.where(successes == 0, 0.0, (middle - half) / total)
    high = np.where(successes == trials, 1.0, (middle + half) / total)
    nothing = trials == 0
    return Estimate(values, np.where(nothing, np.nan, low), np.where(nothing, np.nan, high))
