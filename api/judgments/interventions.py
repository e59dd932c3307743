"""Examination from lists that were changed on purpose, or by themselves, without a model of pairs.

- Swaps: the same pair at one position and at the next. The ratio of its rates of clicks is that of
  the two examinations, whatever the pair, and ratios of neighbours multiply (Agarwal, Zaitsev,
  Wang, Li, Najork, Joachims 2019, *Estimating Position Bias without Intrusive Interventions*, WSDM:
  the adjacent chain). Results that are swapped at random, interleaved rankings, and whatever else
  moves results between searches are such interventions.
- Shuffled lists: where chance ordered the results, those at every position are alike on average,
  and rates of clicks by position are examination. That holds for no other lists.
"""

from __future__ import annotations

import numpy as np

from api.judgments.cells import Cells, Floats
from api.judgments.examination import FEWEST_MOVING_PAIRS, Examination, NotIdentifiable
from api.judgments.pairs import Z


def from_swaps(cells: Cells, z: float = Z) -> Examination:
    """Of each position down to the first that has no pair, or no click, in common with the next.

    Each pair counts alike, however often it was shown. Raises NotIdentifiable when fewer than
    `FEWEST_MOVING_PAIRS` pairs were shown at two neighbouring positions.
    """
    width = cells.depth + 2
    places = cells.pairs * width + cells.positions
    order = np.argsort(places)
    places = places[order]
    rates = (cells.clicks / cells.impressions)[order]
    variances = _variance(cells.clicks, cells.impressions)[order]
    upper = np.flatnonzero(np.diff(places, append=places[-1:]) == 1)
    positions = places[upper] % width
    moving = len(np.unique(places[upper] // width))
    if moving < FEWEST_MOVING_PAIRS:
        judged = len(np.unique(cells.pairs))
        raise NotIdentifiable(
            f"{moving:,} of {judged:,} pairs of query and object were shown at two "
            f"neighbouring positions: at least {FEWEST_MOVING_PAIRS} are needed"
        )
    reference = int(positions.min())
    values, squares = np.full(cells.depth, np.nan), np.full(cells.depth, np.nan)
    values[reference - 1], squares[reference - 1] = 1.0, 0.0
    for position in range(reference, cells.depth):
        at = upper[positions == position]
        above, below = rates[at].sum(), rates[at + 1].sum()
        if not (above > 0 and below > 0):
            break
        values[position] = values[position - 1] * below / above
        squares[position] = (
            squares[position - 1]
            + variances[at].sum() / above**2
            + variances[at + 1].sum() / below**2
        )
    return _with_intervals(values, squares, reference, moving, z)


def from_shuffled_lists(cells: Cells, z: float = Z) -> Examination:
    """Rates of clicks relative to the first position; the lists must have been ordered by chance.

    Raises NotIdentifiable without a click at the first position.
    """
    clicks, shown = cells.of_positions(cells.clicks), cells.of_positions(cells.impressions)
    if not (len(clicks) and clicks[0] > 0):
        raise NotIdentifiable("the first position of these lists has no click to compare with")
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = clicks / shown
        squares = np.where(clicks > 0, (1 - rates) / clicks, np.nan)
    squares[1:] += squares[0]
    squares[0] = 0.0
    return _with_intervals(rates / rates[0], squares, 1, 0, z)


def _variance(clicks: Floats, impressions: Floats) -> Floats:
    """Of a rate, with a half added to both sides: a single impression varies, too."""
    smoothed = (clicks + 0.5) / (impressions + 1)
    return np.asarray(smoothed * (1 - smoothed) / impressions)


def _with_intervals(
    values: Floats, squares: Floats, reference: int, moving_pairs: int, z: float
) -> Examination:
    """`squares`: variances of the logarithms."""
    reach = z * np.sqrt(squares)
    return Examination(
        values, values * np.exp(-reach), values * np.exp(reach), reference, moving_pairs, rounds=0
    )
