"""Counts of impressions as SQL: fragments of ours, and bound parameters for all that was sent."""

from __future__ import annotations

from typing import Final

import msgspec

from api.judgments.question import Population, Question
from api.metrics.cursors import sorted_text
from api.metrics.sql import Statement, conditions
from api.store import Value

FEWEST_IMPRESSIONS: Final = 20
"""Of a pair that examination is estimated from. Pairs that were hardly shown would distort it: how
attractive each of them is must be estimated, too."""

_RANGE: Final = (
    "from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},"
    " relevance = {relevance:String}, event_type = "
)
# In order of position: another order would change the last digits of sums.
_ARRAYS: Final = (
    "arraySort(groupArray((position, times, gained))) AS cells,"
    " cells.1 AS positions, cells.2 AS impressions, cells.3 AS gains"
)


class PositionRow(msgspec.Struct, frozen=True):
    """All impressions of a position. `gains`: the sum of the weights of their events."""

    position: int
    impressions: int
    gains: int


class MovingRow(msgspec.Struct, frozen=True):
    """A pair that was shown at several positions. Arrays of one length."""

    positions: list[int]
    impressions: list[int]
    gains: list[int]


class PairRow(msgspec.Struct, frozen=True):
    """A pair. The first three arrays are of one length."""

    positions: list[int]
    impressions: list[int]
    gains: list[int]
    search_query: str
    object_id: str
    first_seen_ms: int
    last_seen_ms: int
    place: str
    """By what pairs are sorted."""


def position_counts(population: Population) -> Statement:
    """A `PositionRow` of each position that was shown, from the top."""
    values = _values(population)
    return Statement(
        f"""
SELECT position, sum(shown) AS impressions, sum(gain) AS gains
FROM {_impressions(population, values)}
GROUP BY position ORDER BY position
""",  # noqa: S608 - fragments of this module
        values,
    )


def moving_pairs(population: Population, sample: int) -> Statement:
    """A `MovingRow` of each clicked pair shown at two positions or more, of one in `sample` of the
    queries: always the same ones."""
    values = _values(population) | {"sample": sample, "fewest": FEWEST_IMPRESSIONS}
    is_chosen = "" if sample == 1 else "sipHash64(search_query) % {sample:UInt32} = 0"
    return Statement(
        f"""
SELECT {_ARRAYS}
FROM
(
    SELECT search_query, object_id, position, sum(shown) AS times, sum(gain) AS gained
    FROM {_impressions(population, values, is_chosen)}
    GROUP BY search_query, object_id, position
)
GROUP BY search_query, object_id
HAVING length(positions) > 1 AND arraySum(gains) > 0 AND arraySum(impressions) >= {{fewest:UInt64}}
ORDER BY search_query, object_id
""",  # noqa: S608 - fragments of this module
        values,
    )


def pairs(question: Question, after: str = "", limit: int | None = None) -> Statement:
    """A `PairRow` of each pair that was shown often enough, by query and object, behind a place."""
    values = _values(question.population) | {"min_impressions": question.min_impressions}
    place = sorted_text(("search_query", "object_id"))
    behind = ""
    if after:
        values["after_place"] = after.encode().hex()
        behind = f"{place} > unhex({{after_place:String}})"
    limited = ""
    if limit is not None:
        values["limit"] = limit
        limited = "LIMIT {limit:UInt32}"
    return Statement(
        f"""
SELECT
    search_query, object_id, {_ARRAYS}, {place} AS place,
    toUnixTimestamp64Milli(min(first)) AS first_seen_ms,
    toUnixTimestamp64Milli(max(last)) AS last_seen_ms
FROM
(
    SELECT
        search_query, object_id, position, sum(shown) AS times, sum(gain) AS gained,
        min(created_at) AS first, max(created_at) AS last
    FROM {_impressions(question.population, values, behind)}
    GROUP BY search_query, object_id, position
)
GROUP BY search_query, object_id
HAVING arraySum(impressions) >= {{min_impressions:UInt64}}
ORDER BY place
{limited}
""",  # noqa: S608 - fragments of this module
        values,
    )


def _values(population: Population) -> dict[str, Value]:
    return {
        "from_ms": population.times[0],
        "to_ms": population.times[1],
        "relevance": population.relevance,
        "depth": population.depth,
    }


def _impressions(population: Population, values: dict[str, Value], condition: str = "") -> str:
    """One row per impression and type of event; the first type's rows count the impression."""
    where = ["position <= {depth:UInt32}", *conditions(population.filters, values, of_results=True)]
    if condition:
        where.append(condition)
    parts = []
    for number, each in enumerate(population.weights):
        values[f"event_type_{number}"], values[f"weight_{number}"] = each.event_type, each.weight
        shown = "impressions" if number == 0 else "toUInt64(0)"
        parts.append(
            f"SELECT search_query, object_id, position, created_at, {shown} AS shown,"  # noqa: S608 - fragments
            f" clicked_impressions * {{weight_{number}:UInt32}} AS gain"
            f" FROM session_objects({_RANGE}{{event_type_{number}:String}})"
            f" WHERE {' AND '.join(where)}"
        )
    return f"({' UNION ALL '.join(parts)})"
