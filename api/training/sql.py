"""Lists as SQL: fragments of ours, and bound parameters for all that was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from api.metrics.sql import Statement, conditions
from api.selection import days_of
from api.store import Value
from api.training.question import MOST_RESULTS, MOST_WEIGHT, Feature, Lists, Split, SplitBy

_GOALS: Final = (
    "_session_goals(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},"
    " relevance = {relevance:String}, event_type = {event_type:String})"
)
_SPLITS: Final = {
    SplitBy.TIME: (
        "multiIf(toUnixTimestamp64Milli(created_at) < {train_until:Int64}, 'train',"
        " toUnixTimestamp64Milli(created_at) < {validate_until:Int64}, 'validation', 'test')"
    ),
    # A search without a user is one of its own.
    SplitBy.USER: "ifNull(user_id, session_id)",
    SplitBy.QUERY: "search_query",
}


class ListRow(msgspec.Struct, frozen=True):
    """One list, in its order. `clicked` are positions, ascending; `features` has the values of each
    feature for all results."""

    session_id: str
    created_at_ms: int
    search_query: str
    user_id: str | None
    variant: str
    split: str
    object_ids: list[str]
    clicked: list[int]
    features: list[list[float | None]]
    titles: list[str]


class BoundRow(msgspec.Struct, frozen=True):
    """Where training and validation end, in milliseconds."""

    train_until: int
    validate_until: int


class AccountRow(msgspec.Struct, frozen=True):
    """What is in the files and what is not."""

    lists: int
    rows: int
    clicked_lists: int
    clicks: int
    longest_list: int
    train_lists: int
    validation_lists: int
    test_lists: int
    empty_lists: int
    long_lists: int
    irrelevant_sessions: int
    users_in_several_splits: int
    queries_in_several_splits: int


def bounds(lists: Lists) -> Statement:
    """One `BoundRow`: the times that so many lists are before."""
    values = values_of(lists)
    train, validation = lists.shares
    levels = f"{train / 100}, {min(1.0, (train + validation) / 100)}"
    where = _where(lists, values)
    return Statement(
        f"""
SELECT
    quantilesExactLow({levels})(toUnixTimestamp64Milli(created_at)) AS times,
    times[1] + {int(train >= 100)} AS train_until,
    times[2] + {int(train + validation >= 100)} AS validate_until
FROM {_GOALS}
WHERE {where}
""",  # noqa: S608 - fragments of this module, and numbers
        values,
    )


def lists_in_order(lists: Lists, bound: BoundRow) -> Statement:
    """A `ListRow` of each list, by time and id."""
    values = values_of(lists)
    return Statement(source_of(lists, bound, values), values)


def long_table(lists: Lists, bound: BoundRow, propensities: Sequence[float | None]) -> Statement:
    """A row for each result: docs/training.md has the columns."""
    values = values_of(lists)
    source = source_of(lists, bound, values)
    features = "".join(
        f",\n    toFloat32(ifNull(values_{number}, nan)) AS `{feature.column}`"
        for number, feature in enumerate(lists.features)
    )
    unfolded = "".join(
        f", features[{number + 1}] AS values_{number}" for number in range(len(lists.features))
    )
    # 0: it is not known.
    known = ", ".join(repr(float(each or 0)) for each in propensities)
    return Statement(
        f"""
SELECT
    qid,
    toInt32(place) AS position,
    toInt32(times > 1) AS label,
    toInt8(times > 1) AS click,
    toFloat32(if(times > 1 AND examined > 0, least({MOST_WEIGHT}, 1 / examined), 1)) AS weight,
    search_query AS query_id,
    shown AS doc_id,
    toFloat32(if(examined > 0, examined, nan)) AS propensity,
    session_id,
    search_query,
    fromUnixTimestamp64Milli(created_at_ms, 'UTC') AS created_at,
    user_id,
    variant,
    split{features}
FROM
(
    SELECT
        *, toInt64(rowNumberInAllBlocks()) + 1 AS qid,
        -- 2 for a position that is among the clicked ones.
        arraySlice(
            arrayEnumerateUniq(arrayConcat(clicked, arrayEnumerate(object_ids))),
            length(clicked) + 1
        ) AS seen,
        CAST([{known}], 'Array(Float64)') AS propensities
    FROM ({source})
)
ARRAY JOIN object_ids AS shown, arrayEnumerate(object_ids) AS place, seen AS times,
    arrayResize(propensities, length(object_ids), 0) AS examined{unfolded}
""",  # noqa: S608 - fragments of this module, and numbers
        values,
    )


def account(lists: Lists, bound: BoundRow) -> Statement:
    """One `AccountRow`, of all splits."""
    values = values_of(lists) | _bound_values(bound)
    filtered = " AND ".join(["1", *conditions(lists.filters, values)])
    is_whole = "results BETWEEN 1 AND {most_results:UInt32}"
    return Statement(
        f"""
SELECT
    countIf(taken) AS lists, sumIf(listed, taken) AS rows,
    countIf(taken AND clicked > 0) AS clicked_lists,
    sumIf(clicked, taken) AS clicks, maxIf(listed, taken) AS longest_list,
    countIf(taken AND split = 'train') AS train_lists,
    countIf(taken AND split = 'validation') AS validation_lists,
    countIf(taken AND split = 'test') AS test_lists,
    countIf(is_selected AND listed = 0) AS empty_lists,
    countIf(is_selected AND listed > {{most_results:UInt32}}) AS long_lists,
    countIf(is_irrelevant) AS irrelevant_sessions,
    (SELECT countIf(several) FROM (
        SELECT uniqExact({_split(lists)}) > 1 AS several FROM {_GOALS}
        WHERE is_selected AND user_id IS NOT NULL AND {is_whole} AND {filtered} GROUP BY user_id
    )) AS users_in_several_splits,
    (SELECT countIf(several) FROM (
        SELECT uniqExact({_split(lists)}) > 1 AS several FROM {_GOALS}
        WHERE is_selected AND {is_whole} AND {filtered} GROUP BY search_query
    )) AS queries_in_several_splits
FROM
(
    SELECT
        is_selected, is_irrelevant, toUInt64(results) AS listed, {_split(lists)} AS split,
        is_selected AND {is_whole} AS taken,
        toUInt64(results_with_goal) AS clicked
    FROM {_GOALS}
    WHERE {filtered}
)
""",  # noqa: S608 - fragments of this module
        values,
    )


def source_of(lists: Lists, bound: BoundRow, values: dict[str, Value]) -> str:
    """What `lists_in_order` asks; its values are added to these."""
    values |= _bound_values(bound)
    where = _where(lists, values)
    if lists.split is not Split.ALL:
        values["only_split"] = lists.split.value
        where += f" AND {_split(lists)} = {{only_split:String}}"
    values["variant_field"] = lists.variant_field
    features = ", ".join(
        _feature(feature, number, values) for number, feature in enumerate(lists.features)
    )
    titles = "CAST([], 'Array(String)')"
    if lists.title:
        path = _path(lists.title, "title", values)
        titles = f"arrayMap(meta -> JSONExtractString(ifNull(meta, ''), {path}), metas)"
    join = ""
    if lists.needs_metas:
        # grace_hash (export.py) writes to disk what would not fit into memory.
        join = """
INNER JOIN
(
    SELECT session_id, search_results.rank AS ranks, search_results.meta AS metas
    FROM sessions FINAL
    WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01')
        AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    SETTINGS do_not_merge_across_partitions_select_final = 1
) AS stored ON stored.session_id = facts.session_id
"""
    return f"""
SELECT
    facts.session_id AS session_id,
    toUnixTimestamp64Milli(facts.created_at) AS created_at_ms,
    search_query, user_id, variants[{{variant_field:String}}] AS variant,
    {_split(lists)} AS split,
    result_ids AS object_ids,
    arrayConcat(
        arrayMap(bit -> toUInt32(bit + 1), bitPositionsToArray(positions_mask)),
        arrayMap(position -> toUInt32(position), arraySort(positions_over_64))
    ) AS clicked,
    CAST([{features}], 'Array(Array(Nullable(Float64)))') AS features,
    {titles} AS titles
FROM (SELECT * FROM {_GOALS} WHERE {where}) AS facts {join}
ORDER BY facts.created_at, facts.session_id
"""  # noqa: S608 - fragments of this module


def _where(lists: Lists, values: dict[str, Value]) -> str:
    whole = "is_selected AND results BETWEEN 1 AND {most_results:UInt32}"
    return " AND ".join([whole, *conditions(lists.filters, values)])


def _split(lists: Lists) -> str:
    if lists.split_by is SplitBy.TIME:
        return _SPLITS[SplitBy.TIME]
    place = f"(sipHash64({_SPLITS[lists.split_by]}) % 10000)"
    train, validation = lists.shares
    ends = train * 100, (train + validation) * 100
    return f"multiIf({place} < {ends[0]}, 'train', {place} < {ends[1]}, 'validation', 'test')"


def _feature(feature: Feature, number: int, values: dict[str, Value]) -> str:
    if not feature.path:
        return "ranks"
    path = _path(feature.path, f"feature_{number}", values)
    return f"arrayMap(meta -> JSONExtract(ifNull(meta, ''), {path}, 'Nullable(Float64)'), metas)"


def _path(path: Sequence[str], name: str, values: dict[str, Value]) -> str:
    """Keys of a JSON object, as arguments of a function."""
    for place, key in enumerate(path):
        values[f"{name}_{place}"] = key
    return ", ".join(f"{{{name}_{place}:String}}" for place in range(len(path)))


def values_of(lists: Lists) -> dict[str, Value]:
    """The parameters that every statement has."""
    return {
        "from_ms": lists.times[0],
        "to_ms": lists.times[1],
        **days_of(*lists.times),
        "relevance": lists.relevance,
        "event_type": lists.event_type,
        "most_results": MOST_RESULTS,
    }


def _bound_values(bound: BoundRow) -> dict[str, Value]:
    return {"train_until": bound.train_until, "validate_until": bound.validate_until}
