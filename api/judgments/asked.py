"""The parameters of a request → what it asks, as FastAPI dependencies. Raise InvalidRequest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from api.judgments.parameters import (
    DEPTH,
    MIN_IMPRESSIONS,
    ByParam,
    CutPointsParam,
    Depth,
    EstimatorParam,
    EventTypeParam,
    MinImpressions,
    PropensityEstimatorParam,
    WeightsParam,
    check_by,
    parse_cut_points,
    population_of,
    types_of,
)
from api.judgments.question import Estimator, Population, PropensityEstimator, Question
from api.metrics.question import Filters
from api.responses import Range
from api.selection import Selection, SelectionParam


@dataclass(frozen=True, slots=True)
class AskedJudgments:
    """A question, and its range as the answer repeats it."""

    question: Question
    range: Range


@dataclass(frozen=True, slots=True)
class AskedPropensities:
    """The examination of positions of a population, and its range as the answer repeats it."""

    population: Population
    estimator: PropensityEstimator
    range: Range


def asked_judgments(
    selected: Any, declared: Sequence[str]
) -> Callable[..., Awaitable[AskedJudgments]]:
    """`selected`: the dependency of the filters; `declared`: paths to group by."""

    async def asked(
        selection: SelectionParam,
        filters: Filters = selected,
        event_type: EventTypeParam = None,
        weights: WeightsParam = "",
        estimator: EstimatorParam = Estimator.COEC,
        min_impressions: MinImpressions = MIN_IMPRESSIONS,
        cut_points: CutPointsParam = "0.25,0.5,1,2",
        depth: Depth = DEPTH,
        by: ByParam = "",
    ) -> AskedJudgments:
        question = Question(
            population_of(selection, filters, event_type, weights, depth),
            estimator,
            min_impressions,
            parse_cut_points(cut_points),
            check_by(by, declared),
        )
        return AskedJudgments(question, _range(selection, question.population))

    return asked


def asked_propensities(selected: Any) -> Callable[..., Awaitable[AskedPropensities]]:
    """`selected`: the dependency of the filters."""

    async def asked(
        selection: SelectionParam,
        filters: Filters = selected,
        event_type: EventTypeParam = None,
        weights: WeightsParam = "",
        estimator: PropensityEstimatorParam = PropensityEstimator.EM,
        depth: Depth = DEPTH,
    ) -> AskedPropensities:
        population = population_of(selection, filters, event_type, weights, depth)
        return AskedPropensities(population, estimator, _range(selection, population))

    return asked


def _range(selection: Selection, population: Population) -> Range:
    types = types_of(population.weights)
    return Range(selection.from_ms, selection.to_ms, selection.relevance.value, types)
