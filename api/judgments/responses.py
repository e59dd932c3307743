"""The JSON bodies of the answers, with the descriptions that OpenAPI shows."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from api.metrics.responses import AsOf, Next
from api.responses import Range

Number = Annotated[float | None, Meta(description="null: the counts do not tell")]


class Averages(msgspec.Struct, frozen=True):
    """Each estimate of all impressions of the range together: grades are multiples of it."""

    ctr: Number
    coec: float
    pbm: Number


class Judgment(msgspec.Struct, frozen=True):
    """How relevant an object is for a query. `…_low` and `…_high`: an interval of 95 %."""

    search_query: str
    object_id: str
    by_value: Annotated[
        str | None, Meta(description="Value of the path `by`; null: none, or it was not asked for")
    ]
    impressions: int
    clicks: Annotated[
        float, Meta(description="Impressions with a click; with weights, the sum of their shares")
    ]
    expected_clicks: Annotated[
        float, Meta(description="What results at its positions get on average, added up")
    ]
    ctr: Annotated[Number, Meta(description="clicks / impressions")]
    ctr_low: Number
    ctr_high: Number
    coec: Annotated[Number, Meta(description="clicks / expected_clicks; 1 is as expected")]
    coec_low: Number
    coec_high: Number
    pbm: Annotated[
        Number,
        Meta(description="Rate of clicks at the first position, by the position-based model"),
    ]
    pbm_low: Number
    pbm_high: Number
    grade: Annotated[
        int | None, Meta(description="0 to 4: how many cut points the chosen estimate reaches")
    ]
    positions_seen: Annotated[int, Meta(description="Distinct positions it was shown at")]
    highest_position: int
    lowest_position: int
    first_seen_ms: int
    last_seen_ms: int


class Judgments(msgspec.Struct, frozen=True):
    """Judgments by query and object, and what they were made with."""

    range: Range
    as_of: AsOf
    estimator: Annotated[str, Meta(description="That the grade is of")]
    cut_points: Annotated[list[float], Meta(description="Multiples of the average")]
    averages: Averages
    min_impressions: int
    depth: Annotated[int, Meta(description="What was shown further down does not count")]
    impressions: Annotated[int, Meta(description="Of the range, whatever is filtered")]
    clicks: float
    pbm_refused: Annotated[
        str | None, Meta(description="Why there is no pbm: too few results moved between positions")
    ]
    judgments: list[Judgment]
    next: Next


class Propensity(msgspec.Struct, frozen=True):
    """One position."""

    position: int
    examination: Annotated[
        Number,
        Meta(
            description="Relative to the reference; null: it was never compared with it, or has too"
            " few clicks (less than 10, or none of a pair that moved)"
        ),
    ]
    low: Number
    high: Number
    impressions: int
    clicks: float
    ctr: Number


class Propensities(msgspec.Struct, frozen=True):
    """How likely each position is looked at, relative to the first one."""

    range: Range
    as_of: AsOf
    estimator: str
    reference: Annotated[int, Meta(description="The position whose examination is 1")]
    moving_pairs: Annotated[
        int, Meta(description="Pairs of query and object that were compared between positions")
    ]
    sample: Annotated[
        int, Meta(description="It was estimated from one in so many queries, always the same ones")
    ]
    rounds: Annotated[int, Meta(description="Of expectation maximisation, until nothing changed")]
    propensities: list[Propensity]
