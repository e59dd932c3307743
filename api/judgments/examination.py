"""How likely a result is looked at, by its position alone: the position-based model (PBM).

A result is clicked when it is examined, which depends on its position, and attractive, which
depends on the pair (Craswell, Zoeter, Taylor, Ramsey 2008, *An Experimental Comparison of Click
Position-Bias Models*, WSDM). Both are estimated by expectation maximisation (Chuklin, Markov,
de Rijke 2015, *Click Models for Web Search*, 4.2.2). That needs only the counts of each cell. The
rounds are accelerated by extrapolation (Varadhan, Roland 2008, *Simple and Globally Convergent
Methods for Accelerating the Convergence of Any EM Algorithm*, SQUAREM), because plain ones stop far
from the maximum: fifty of them are off by 0.06 where it is reached within 0.02.

Only a pair that was shown at two positions tells them apart. Where none was, there is no answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from api.judgments.cells import Booleans, Cells, Floats

TOLERANCE: Final = 1e-6
"""Of an examination between two rounds."""
MOST_ROUNDS: Final = 5_000
FEWEST_MOVING_PAIRS: Final = 20
"""Clicked pairs shown at two positions or more. Fewer tell more of single results than of
positions."""

_TINY: Final = 1e-12


class NotIdentifiable(Exception):
    """The counts do not tell positions and pairs apart. The message says why, with numbers."""


@dataclass(frozen=True, slots=True)
class Examination:
    """The examination of each position relative to that of `reference`; element 0 is position 1.

    NaN: the position was never compared, directly or by way of others, with the reference.
    """

    values: Floats
    low: Floats
    high: Floats
    reference: int
    """The topmost position that was compared: its examination is 1."""
    moving_pairs: int
    rounds: int


def examination(cells: Cells, z: float = 1.959963984540054) -> Examination:
    """Of all positions. `z`: standard deviations that the intervals reach to each side.

    Raises NotIdentifiable when fewer than `FEWEST_MOVING_PAIRS` clicked pairs were shown at two
    positions, and when the rounds do not come to an end.
    """
    informative, moving_pairs = _informative(cells)
    theta, alpha, rounds = _maximise(informative)
    reference = int(informative.positions.min())
    known = informative.of_positions(informative.impressions) > 0
    values = np.full(cells.depth, np.nan)
    values[: len(theta)] = np.where(known, theta / theta[reference - 1], np.nan)
    deviations = np.full(cells.depth, np.nan)
    deviations[: len(theta)] = _log_deviations(informative, theta, alpha, known, reference)
    return Examination(
        values,
        values * np.exp(-z * deviations),
        values * np.exp(z * deviations),
        reference,
        moving_pairs,
        rounds,
    )


def _informative(cells: Cells) -> tuple[Cells, int]:
    """The cells of clicked pairs that moved, among positions that can be compared with each other:
    the largest such set. Pairs are numbered anew."""
    positions_of_pair = cells.of_pairs(np.ones(len(cells.pairs)))
    is_moving = (positions_of_pair > 1) & (cells.of_pairs(cells.clicks) > 0)
    moving = cells.at(is_moving[cells.pairs])
    if len(moving.pairs):
        moving = moving.at(_compared(moving)[moving.positions - 1])
    pairs, numbers = np.unique(moving.pairs, return_inverse=True)
    if len(pairs) < FEWEST_MOVING_PAIRS:
        judged = len(np.unique(cells.pairs))
        raise NotIdentifiable(
            f"{len(pairs):,} of {judged:,} pairs of query and object have a click and "
            f"were shown at two positions or more: at least {FEWEST_MOVING_PAIRS} are needed to "
            "tell positions and objects apart"
        )
    return Cells(numbers, moving.positions, moving.impressions, moving.clicks), len(pairs)


def _compared(cells: Cells) -> Booleans:
    """The positions that some pair has in common with each other; of several such sets, the one
    with most impressions."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    shape = (cells.pair_count, cells.depth)
    shown = coo_matrix((np.ones(len(cells.pairs)), (cells.pairs, cells.positions - 1)), shape)
    shown = shown.tocsr()
    _, labels = connected_components(shown.T @ shown, directed=False)
    impressions = np.bincount(labels, cells.of_positions(cells.impressions))
    largest: Booleans = labels == int(impressions.argmax())
    return largest


@dataclass(frozen=True, slots=True)
class _Model:
    """The cells, and what every round needs of them. Sums are not written as `x @ y`: a library of
    linear algebra would start threads for each, which wait for each other on a busy machine."""

    cells: Cells
    shown_at: Floats
    shown_of: Floats
    unclicked: Floats

    @classmethod
    def of(cls, cells: Cells) -> _Model:
        return cls(
            cells,
            cells.of_positions(cells.impressions),
            cells.of_pairs(cells.impressions),
            cells.impressions - cells.clicks,
        )

    def round(self, theta: Floats, alpha: Floats) -> tuple[Floats, Floats]:
        """How many impressions were examined, and how many attracted, as far as clicks tell."""
        cells = self.cells
        at_position, of_pair = theta[cells.positions - 1], alpha[cells.pairs]
        both = at_position * of_pair
        unclicked = self.unclicked / np.maximum(1 - both, _TINY)
        examined = cells.of_positions(cells.clicks + unclicked * (at_position - both))
        attracted = cells.of_pairs(cells.clicks + unclicked * (of_pair - both))
        known = self.shown_at > 0
        return (
            np.where(known, examined / np.where(known, self.shown_at, 1), 1),
            attracted / self.shown_of,
        )

    def log_likelihood(self, theta: Floats, alpha: Floats) -> float:
        both = _inside(theta[self.cells.positions - 1] * alpha[self.cells.pairs])
        return float((self.cells.clicks * np.log(both) + self.unclicked * np.log1p(-both)).sum())

    def accelerated_round(self, theta: Floats, alpha: Floats) -> tuple[Floats, Floats]:
        """Three plain rounds, the third from where the first two point to."""
        depth = len(theta)
        start = np.concatenate([theta, alpha])
        first = np.concatenate(self.round(theta, alpha))
        second = np.concatenate(self.round(first[:depth], first[depth:]))
        step, bend = first - start, second - 2 * first + start
        curvature = float(np.square(bend).sum())
        if curvature < _TINY**2:
            return second[:depth], second[depth:]
        length = max(1.0, float(np.sqrt(np.square(step).sum() / curvature)))
        reached = np.clip(start + 2 * length * step + length**2 * bend, _TINY, 1)
        theta, alpha = reached[:depth], reached[depth:]
        if self.log_likelihood(theta, alpha) < self.log_likelihood(second[:depth], second[depth:]):
            theta, alpha = second[:depth], second[depth:]
        return self.round(theta, alpha)


def _inside(probability: Floats) -> Floats:
    return np.clip(probability, _TINY, 1 - _TINY)


def _maximise(cells: Cells) -> tuple[Floats, Floats, int]:
    """Examination, attractiveness, and the number of accelerated rounds."""
    model = _Model.of(cells)
    rates = cells.of_positions(cells.clicks) / np.maximum(model.shown_at, 1)
    theta = np.where(model.shown_at > 0, np.clip(rates / rates.max(), 0.01, 1), 1)
    alpha = np.full(cells.pair_count, 0.5)
    reference = int(cells.positions.min()) - 1
    for rounds in range(1, MOST_ROUNDS + 1):
        before = theta / theta[reference]
        theta, alpha = model.accelerated_round(theta, alpha)
        if np.abs(theta / theta[reference] - before).max() < TOLERANCE:
            return theta, alpha, rounds
    raise NotIdentifiable(
        f"the examination of positions still changed after {MOST_ROUNDS:,} rounds: too few results "
        "moved between them"
    )


def _log_deviations(
    cells: Cells, theta: Floats, alpha: Floats, known: Booleans, reference: int
) -> Floats:
    """Standard deviations of the logarithms: of the inverse of Fisher's information about
    positions, from which that about pairs is taken out (its Schur complement)."""
    from scipy.sparse import coo_matrix, diags

    both = _inside(theta[cells.positions - 1] * alpha[cells.pairs])
    weights = cells.impressions * both / (1 - both)
    shape = (cells.pair_count, len(theta))
    about = coo_matrix((weights, (cells.pairs, cells.positions - 1)), shape).tocsr()
    of_pairs = np.maximum(np.asarray(about.sum(axis=1)).ravel(), _TINY)
    left = np.diag(cells.of_positions(weights)) - (about.T @ diags(1 / of_pairs) @ about).toarray()
    others = known.copy()
    others[reference - 1] = False
    deviations = np.where(known, 0.0, np.nan)
    variances = np.diag(np.linalg.pinv(left[np.ix_(others, others)], hermitian=True))
    deviations[others] = np.sqrt(np.maximum(variances, 0))
    # Where nothing was clicked, the logarithm has no end.
    deviations[cells.of_positions(cells.clicks) == 0] = np.nan
    return deviations
