"""Counts of impressions as SQL: fragments of ours, and bound parameters for all that was sent."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from api.judgments.question import Population, Question
from api.metrics.cursors import sorted_text
from api.metrics.sql import Statement, conditions, key_of
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

_HASH: Final = "cityHash64(cityHash64(search_query), object_id)"
"""Of a pair; `_often` makes the same of a list's query and each of its objects."""


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
    by_value: str | None = None
    """Of the path that the question groups by."""


def position_counts(population: Population) -> Statement:
    """A `PositionRow` of each position that was shown, from the top."""
    values = _values(population)
    # Of single results that are filtered, each is looked at.
    is_of_results = population.filters.has_paths_of_results
    rows = (_impressions if is_of_results else _positions)(population, values)
    return Statement(
        f"""
SELECT position, sum(shown) AS impressions, sum(gain) AS gains
FROM {rows}
GROUP BY position ORDER BY position
""",  # noqa: S608 - fragments of this module
        values,
    )


def moving_pairs(population: Population, sample: int) -> Statement:
    """A `MovingRow` of each clicked pair shown at two positions or more, of one in `sample` of the
    queries: always the same ones."""
    values = _values(population) | {"sample": sample, "min_impressions": FEWEST_IMPRESSIONS}
    is_chosen = "1" if sample == 1 else "sipHash64(search_query) % {sample:UInt32} = 0"
    often = _often(population, values, is_chosen)
    return Statement(
        f"""
SELECT {_ARRAYS}
FROM
(
    SELECT search_query, object_id, position, sum(shown) AS times, sum(gain) AS gained
    FROM {_impressions(population, values)}
    WHERE {is_chosen} AND {_HASH} IN ({often})
    GROUP BY search_query, object_id, position
)
GROUP BY search_query, object_id
HAVING length(positions) > 1 AND arraySum(gains) > 0
    AND arraySum(impressions) >= {{min_impressions:UInt64}}
ORDER BY search_query, object_id
""",  # noqa: S608 - fragments of this module
        values,
    )


def pairs(question: Question, after: str = "", limit: int | None = None) -> Statement:
    """A `PairRow` of each pair that was shown often enough, by query, object and value, behind a
    place.

    Most pairs of a large range are shown once. They are found by hashes alone, before positions are
    counted: texts of all of them would not fit into a small server's memory.
    """
    values = _values(question.population) | {"min_impressions": question.min_impressions}
    names, more = ["search_query", "object_id"], ""
    if question.by:
        names.append("by_value")
        more = f", {key_of(question.by, 0, values)} AS by_value"
    keys, place = ", ".join(names), sorted_text(names)
    chosen = ["1"]
    if question.min_impressions > 1:
        chosen.append(f"{_HASH} IN ({_often(question.population, values)})")
    if after:
        values["after_place"] = after.encode().hex()
        chosen.append(f"{place} > unhex({{after_place:String}})")
    limited = ""
    if limit is not None:
        values["limit"] = limit
        limited = "LIMIT {limit:UInt32}"
    return Statement(
        f"""
SELECT
    {keys}, {_ARRAYS}, {place} AS place,
    toUnixTimestamp64Milli(min(first)) AS first_seen_ms,
    toUnixTimestamp64Milli(max(last)) AS last_seen_ms
FROM
(
    SELECT
        {keys}, position, sum(shown) AS times, sum(gain) AS gained,
        min(created_at) AS first, max(created_at) AS last
    FROM {_impressions(question.population, values, more)}
    WHERE {" AND ".join(chosen)}
    GROUP BY {keys}, position
)
GROUP BY {keys}
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


def _often(population: Population, values: dict[str, Value], is_chosen: str = "1") -> str:
    """The hashes of pairs that were shown often enough, and of others that have such a hash; of
    queries that are chosen."""
    first = _types(population, values)[0]
    return f"""
SELECT arrayJoin(arrayMap(
    object_id -> cityHash64(query_hash, object_id), arraySlice(result_ids, 1, {{depth:UInt32}})
)) AS pair
FROM
(
    SELECT cityHash64(search_query) AS query_hash, result_ids
    FROM _session_goals({_RANGE}{first.event_type})
    WHERE is_selected AND {_selected(population, values)} AND {is_chosen}
)
GROUP BY pair HAVING count() >= {{min_impressions:UInt64}}
"""  # noqa: S608 - fragments of this module


def _impressions(population: Population, values: dict[str, Value], more: str = "") -> str:
    """One row per impression and type of event; the first type's rows count the impression.
    `more`: SQL of further columns."""
    selected = _selected(population, values, of_results=True)
    parts = [
        f"SELECT search_query, object_id, position, created_at, {each.shown} AS shown,"  # noqa: S608 - fragments
        f" clicked_impressions * {each.weight} AS gain{more}"
        f" FROM session_objects({_RANGE}{each.event_type})"
        f" WHERE position <= {{depth:UInt32}} AND {selected}"
        for each in _types(population, values)
    ]
    return f"({' UNION ALL '.join(parts)})"


def _selected(population: Population, values: dict[str, Value], *, of_results: bool = False) -> str:
    found = conditions(population.filters, values, of_results=of_results)
    return " AND ".join(["1", *found])


def _positions(population: Population, values: dict[str, Value]) -> str:
    """`_impressions` of each position and kind of list, added up: lists of one length that were
    clicked at the same positions are unfolded once, and not each."""
    selected = _selected(population, values)
    parts = [
        f"""
SELECT at AS position, {each.shown} * lists AS shown,
    {each.weight} * if(
        at <= 64, bitTest(mask, least(at, 64) - 1) * lists, deep.2[indexOf(deep.1, at)]
    ) AS gain
FROM
(
    SELECT
        least(results, {{depth:UInt32}}) AS length, positions_mask AS mask, count() AS lists,
        sumMap(positions_over_64, arrayWithConstant(length(positions_over_64), toUInt64(1))) AS deep
    FROM _session_goals({_RANGE}{each.event_type})
    WHERE is_selected AND {selected}
    GROUP BY length, mask
)
ARRAY JOIN range(1, length + 1) AS at
"""  # noqa: S608 - fragments of this module
        for each in _types(population, values)
    ]
    return f"({' UNION ALL '.join(parts)})"


class _Type(NamedTuple):
    """SQL of a type of event, its weight, and how often its rows count an impression."""

    event_type: str
    weight: str
    shown: str


def _types(population: Population, values: dict[str, Value]) -> list[_Type]:
    found = []
    for number, each in enumerate(population.weights):
        values[f"event_type_{number}"], values[f"weight_{number}"] = each.event_type, each.weight
        shown = "toUInt64(1)" if number == 0 else "toUInt64(0)"
        bound = f"{{event_type_{number}:String}}", f"{{weight_{number}:UInt32}}"
        found.append(_Type(*bound, shown))
    return found
