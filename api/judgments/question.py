"""What judgments are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from api.judgments.grades import CUT_POINTS
from api.metrics.question import Filters

DEFAULT_DEPTH: Final = 50
MOST_DEPTH: Final = 500
"""Positions from the top. Examination is estimated with a matrix of positions by positions."""
DEFAULT_MIN_IMPRESSIONS: Final = 20


class Estimator(StrEnum):
    """Of the relevance of a pair."""

    CTR = "ctr"
    COEC = "coec"
    PBM = "pbm"


class PropensityEstimator(StrEnum):
    """Of the examination of positions."""

    EM = "em"
    SWAPS = "swaps"
    SHUFFLED = "shuffled"


@dataclass(frozen=True, slots=True)
class Weight:
    """How much an event of this type counts."""

    event_type: str
    weight: int


@dataclass(frozen=True, slots=True)
class Population:
    """Which impressions count, and what counts as a click on one.

    An impression brings the weights of the types of event that it has, divided by all weights: 1
    at most. With one type, it was clicked or not.
    """

    times: tuple[int, int]
    """created_at of the search: at or after the first, before the second, in milliseconds."""
    relevance: str
    weights: Sequence[Weight]
    filters: Filters = field(default_factory=Filters)
    depth: int = DEFAULT_DEPTH
    """What was shown further down does not count."""

    @property
    def weight(self) -> int:
        """Of an impression that has events of all types."""
        return sum(each.weight for each in self.weights)


@dataclass(frozen=True, slots=True)
class Question:
    """Judgments of the pairs of a population. What positions do to clicks is measured over the same
    range without its filters, so that asking for one query does not change what it is judged by."""

    population: Population
    estimator: Estimator = Estimator.COEC
    """That the grade is of."""
    min_impressions: int = DEFAULT_MIN_IMPRESSIONS
    cut_points: Sequence[float] = CUT_POINTS
    by: str = ""
    """A declared path: pairs are judged for each of its values apart. Empty: all together."""
