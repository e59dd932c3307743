"""Searches whose truth is known: what is relevant, and how people look at lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from api.judgments.cells import Cells, Floats

EXAMINATION: Final = np.array([0.68, 0.61, 0.48, 0.34, 0.28, 0.20, 0.11, 0.10, 0.08, 0.06])
"""Measured by eye tracking; the table that ULTRA and XGBoost simulate clicks with."""
ATTRACTIVENESS: Final = (0.1, 0.16, 0.28, 0.52, 1.0)
"""Of the five grades of relevance, in the same table."""
POSITIONS: Final = len(EXAMINATION)


@dataclass(frozen=True, slots=True)
class World:
    """What there is to find, and what makes it hard.

    `trust`: of what does not attract, the share that is clicked at the first position because it
    is there; half as much at the second, and so on. `noise`: clicks on anything, looked at or not.
    `movement`: how much rankings differ between searches; 0: not at all. `irrelevant`: share of
    searches by machines that click the last five results.
    """

    queries: int = 60
    objects: int = 14
    trust: float = 0.0
    noise: float = 0.0
    movement: float = 0.25
    irrelevant: float = 0.0


HARD: Final = World(trust=0.1, noise=0.01, irrelevant=0.01)
"""With all that the documentation's table has."""


@dataclass(frozen=True, slots=True)
class Searches:
    """`lists` and `clicks` have a row a search. Objects are numbered within their query."""

    relevance: Floats
    queries: NDArray[np.int64]
    lists: NDArray[np.int64]
    clicks: NDArray[np.bool_]
    irrelevant: NDArray[np.bool_] = field(repr=False)

    def cells(self, *, with_irrelevant: bool = False) -> Cells:
        """A pair is its query's number times the objects of a query, and its own."""
        chosen = np.full(len(self.queries), True) if with_irrelevant else ~self.irrelevant
        objects = self.relevance.shape[1]
        pairs = (self.queries[chosen, None] * objects + self.lists[chosen]).ravel()
        positions = np.tile(np.arange(1, POSITIONS + 1), int(chosen.sum()))
        keys, cell = np.unique(pairs * (POSITIONS + 1) + positions, return_inverse=True)
        return Cells.of(
            keys // (POSITIONS + 1),
            keys % (POSITIONS + 1),
            np.bincount(cell).astype(np.float64),
            np.bincount(cell, self.clicks[chosen].ravel()),
        )

    def kendall_tau(self, values: Floats, impressions: Floats, fewest: int = 100) -> float:
        """Of an estimate with the truth: the mean over queries, among pairs shown so often."""
        objects = self.relevance.shape[1]
        taus = []
        for query, relevance in enumerate(self.relevance):
            pairs = slice(query * objects, (query + 1) * objects)
            shown = impressions[pairs] >= fewest
            if shown.sum() > 1:
                truth = relevance[: len(shown)][shown]
                taus.append(kendalltau(truth, values[pairs][shown]).statistic)
        return float(np.nanmean(taus))


def searches(count: int, seed: int, world: World = World()) -> Searches:
    """The same ones for the same arguments."""
    chance = np.random.default_rng(seed)
    shape = (world.queries, world.objects)
    relevance = chance.choice(ATTRACTIVENESS, size=shape, p=[0.4, 0.25, 0.2, 0.1, 0.05])
    usual = relevance + chance.normal(0, 0.35, shape)  # how a ranker in use scores them
    queries = chance.integers(0, world.queries, count)
    scores = usual[queries] + chance.normal(0, world.movement, (count, world.objects))
    lists = np.argsort(-scores, axis=1)[:, :POSITIONS]
    true = relevance[queries[:, None], lists]
    believed = true + (1 - true) * world.trust / np.arange(1, POSITIONS + 1)
    clicks = chance.random((count, POSITIONS)) < EXAMINATION * believed
    clicks |= chance.random((count, POSITIONS)) < world.noise
    irrelevant = chance.random(count) < world.irrelevant
    clicks[irrelevant] = np.arange(POSITIONS) >= POSITIONS - 5
    return Searches(relevance, queries, lists, clicks, irrelevant)
