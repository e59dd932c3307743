"""The query parameters of judgments. What is wrong is an InvalidRequest that names it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final

from fastapi import Query

from api.judgments.question import (
    DEFAULT_DEPTH,
    DEFAULT_MIN_IMPRESSIONS,
    MOST_DEPTH,
    Estimator,
    Population,
    PropensityEstimator,
    Weight,
)
from api.metrics.parameters import MOST_EVENT_TYPES, refusal, unknown
from api.metrics.question import Filters
from api.metrics.route_parameters import OneType
from api.queries import CLICK
from api.selection import Selection

MOST_WEIGHT: Final = 1_000
CUT_POINTS: Final = 4
"""Of the grades 0 to 4."""

EventTypeParam = Annotated[
    str | None,
    Query(
        min_length=1, max_length=512, description="The type of event that counts; click by default"
    ),
    OneType,
]
WeightsParam = Annotated[
    str,
    Query(
        max_length=5_000,
        description="Several types of events, each with a weight, such as purchase:5,click:1. An "
        "impression counts the weights of the types that it has, divided by all weights",
    ),
]
EstimatorParam = Annotated[Estimator, Query(description="Which estimate is graded")]
PropensityEstimatorParam = Annotated[
    PropensityEstimator,
    Query(
        description="em: the position-based model; swaps: results that moved between neighbouring "
        "positions; shuffled: rates of clicks by position, of lists that chance has ordered "
        "(select these by a filter)"
    ),
]
MinImpressions = Annotated[
    int, Query(ge=1, le=10**9, description="Omit pairs that were shown less often")
]
CutPointsParam = Annotated[
    str,
    Query(
        max_length=200,
        description="Where the grades 1 to 4 begin, as multiples of the average: four rising "
        "numbers separated by commas",
    ),
]
Depth = Annotated[
    int, Query(ge=1, le=MOST_DEPTH, description="What was shown further down does not count")
]
ByParam = Annotated[
    str,
    Query(
        max_length=512,
        description="A declared path, such as search_meta.country: pairs are judged for each of "
        "its values apart",
    ),
]

DEPTH: Final = DEFAULT_DEPTH
MIN_IMPRESSIONS: Final = DEFAULT_MIN_IMPRESSIONS


def parse_weights(event_type: str | None, weights: str) -> list[Weight]:
    """At least one. A type may contain colons: the weight is behind the last one."""
    if not weights:
        return [Weight(event_type or CLICK, 1)]
    if event_type is not None:
        raise refusal("event_type", "names a type, and so does weights: send one of them")
    found: dict[str, int] = {}
    for part in weights.split(","):
        name, _, number = part.strip().rpartition(":")
        if not name or not number.isascii() or not number.isdigit():
            raise refusal("weights", f"{part.strip()[:64]!r} is no type:weight, such as purchase:5")
        if not 1 <= int(number) <= MOST_WEIGHT:
            raise refusal("weights", f"{number[:20]} is not between 1 and {MOST_WEIGHT:,}")
        if name in found:
            raise refusal("weights", f"has {name[:64]!r} twice")
        found[name] = int(number)
    if len(found) > MOST_EVENT_TYPES:
        raise refusal("weights", f"has {len(found)} types: at most {MOST_EVENT_TYPES}")
    return [Weight(name, weight) for name, weight in found.items()]


def population_of(
    selection: Selection, filters: Filters, event_type: str | None, weights: str, depth: int
) -> Population:
    """Of what was sent."""
    times = selection.times()
    return Population(
        times=(int(times["from_ms"]), int(times["to_ms"])),
        relevance=selection.relevance.value,
        weights=parse_weights(event_type, weights),
        filters=filters,
        depth=depth,
    )


def parse_cut_points(text: str) -> list[float]:
    """Four rising numbers above 0."""
    try:
        points = [float(part) for part in text.split(",")]
    except ValueError:
        points = []
    rising = all(a < b for a, b in pairwise(points))
    if (
        len(points) != CUT_POINTS
        or not rising
        or not points[0] > 0
        or not math.isfinite(points[-1])
    ):
        raise refusal("cut_points", f"must be {CUT_POINTS} rising numbers, such as 0.25,0.5,1,2")
    return points


def types_of(weights: Sequence[Weight]) -> str:
    """As an answer repeats them."""
    if len(weights) == 1:
        return weights[0].event_type
    return ",".join(f"{each.event_type}:{each.weight}" for each in weights)


def check_by(by: str, declared: Sequence[str]) -> str:
    """Raises InvalidRequest for what is not declared."""
    if by and by not in declared:
        raise unknown("by", by, declared)
    return by
