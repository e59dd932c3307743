"""A question as SQL: fragments of ours, and bound parameters for everything that a caller sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from api.metrics.catalogue import (
    ARRAYS,
    EVENT_TYPE,
    LEVELS,
    OBJECT_ID,
    POSITION,
    SEARCH_QUERY,
    SESSION,
    SORT_FIELD,
    USER_ID,
    Granularity,
    Kind,
    Metric,
    Source,
)
from api.metrics.cursors import beyond, sorted_text
from api.metrics.position_cells import position_cells
from api.metrics.question import Filters, Question
from api.store import Value
from core.declared_paths import is_of_results

MOST_BUCKETS: Final = 2_000
"""Of query texts that are looked through for a page: there are 262,144."""

MOST_SMALL_BUCKETS: Final = 10_000
"""The same where there are 4,294,967,296, most of them of one text. In digits they are 110 kB, and
ClickHouse takes parameters of 128."""

MOST_ROWS: Final = 100_000
"""Of one answer of ClickHouse. More is no page of an answer."""

_RANGE: Final = (
    "from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},"
    " relevance = {relevance:String}, event_type = "
)

_KEYS: Final = {
    SEARCH_QUERY: "search_query",
    USER_ID: "user_id",
    SORT_FIELD: "nullIf(toString(sort_field), '')",
    EVENT_TYPE: "event_type",
    OBJECT_ID: "object_id",
    # What lies further down is summed up at one place beyond.
    POSITION: "toString(least(position, {positions:UInt32} + 1))",
}
_STARTS: Final = {
    Granularity.HOUR: "toStartOfHour(moment)",
    Granularity.DAY: "toStartOfDay(moment)",
    Granularity.WEEK: "toStartOfWeek(moment, 1)",
    Granularity.MONTH: "toStartOfMonth(moment)",
}
POSITION_SUMS: Final = (
    "lists_ending", "clicked_impressions", "clicked_lists_ending", "lowest_clicks"
)  # fmt: skip
"""What `api.metrics.positions` makes the numbers of positions of."""

RESULT_SUMS: Final = ("impressions", "clicked_impressions", "clicked_lists", "lists_examined")
"""The same where single results are read."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL, and the values of its parameters."""

    sql: str
    values: dict[str, Value]


def statement(question: Question) -> Statement:
    """One row per group: `keys` in the order of `question.by`, `time` (milliseconds, or null),
    `sums` in the order of `sum_names(question)`, `quantiles` of each metric that has some, in the
    order of `LEVELS`; `previous` and
    `previous_quantiles` are those of the period before."""
    values: dict[str, Value] = {
        **range_values(question),
        "positions": question.positions,
        "time_zone": question.time_zone,
        # Of positions, and of a series, the page is cut later.
        "limit": MOST_ROWS if is_whole(question) else question.limit + 1,
    }
    is_current = "1"
    if question.compare_previous:
        values["from_ms"] = question.times[0] - question.period_ms
        values["begin_ms"] = question.times[0]
        values["period_ms"] = question.period_ms
        is_current = "created_at >= fromUnixTimestamp64Milli({begin_ms:Int64}, 'UTC')"
    source = rows_of(question, values)
    named = grouped_by(question, values)
    groups, keys = list(named), list(named.values())
    where = " AND ".join([selected(question, values), *_narrowed(question, values)])
    names = sum_names(question)
    time = _time(question, is_current)
    if question.source is Source.POSITIONS and not question.counts_results:
        source, where = position_cells(question, source, keys, time, is_current, where), "1"
        pairs = zip(question.by, groups, strict=True)
        keys = [_KEYS[POSITION] if name == POSITION else group for name, group in pairs]
        time, is_current = "time", "is_current"
    is_compared = question.compare_previous
    sums = ", ".join(_sum(name, is_current if is_compared else None) for name in names)
    previous = ", ".join(_sum(name, f"NOT ({is_current})") for name in names)
    inner = f"""
SELECT
    {"".join(f"{key} AS {group}, " for key, group in zip(keys, groups, strict=True))}
    {time} AS time, [{sums}] AS sums, [{previous if is_compared else ""}] AS previous,
    {_quantiles(question, is_current)} AS quantiles,
    {_quantiles(question, f"NOT ({is_current})" if is_compared else None)} AS previous_quantiles
FROM {source}
WHERE {where}
GROUP BY {", ".join([*groups, "time"])}
"""  # noqa: S608 - fragments of this module
    rank, having, descending = _ranking(question, values)
    if question.after is not None and not is_whole(question):
        having += f" AND {beyond(question.after, values, descending=descending)}"
    outer = f"""
SELECT
    CAST([{", ".join(groups)}], 'Array(Nullable(String))') AS keys,
    time, sums, previous, quantiles, previous_quantiles,
    toNullable(toFloat64({rank})) AS rank, {sorted_text(groups)} AS place
FROM ({inner})
WHERE {having}
ORDER BY time, rank {"DESC" if descending else "ASC"}, place
LIMIT {{limit:UInt32}}
"""  # noqa: S608 - fragments of this module
    return Statement(outer, values)


def range_values(question: Question) -> dict[str, Value]:
    """What the views take, but for types of events."""
    return {
        "from_ms": question.times[0],
        "to_ms": question.times[1],
        "relevance": question.relevance,
        "one_of": question.one_of,
    }


def grouped_by(question: Question, values: dict[str, Value]) -> dict[str, str]:
    """Name → expression of each key, in the order of `question.by`."""
    return {
        f"key_{number}": key_of(name, number, values) for number, name in enumerate(question.by)
    }


def selected(question: Question, values: dict[str, Value]) -> str:
    """What stands behind WHERE."""
    found = conditions(question.filters, values, of_results=question.counts_results)
    return " AND ".join(["1", *found])


def now_statement(names: Sequence[str]) -> Statement:
    """One row: these columns of `metrics_now`, as numbers or null."""
    columns = ", ".join(f"toNullable(toFloat64({name}))" for name in names)
    return Statement(f"SELECT [{columns}] AS numbers FROM {Source.NOW.value}", {})  # noqa: S608


def is_whole(question: Question) -> bool:
    """Whether all groups are selected: what is told of one depends on others."""
    return question.source is Source.POSITIONS or (
        question.granularity is not None and not question.by
    )


def sum_names(question: Question) -> tuple[str, ...]:
    """The columns that are summed up."""
    if question.source is Source.POSITIONS:
        return RESULT_SUMS if question.counts_results else POSITION_SUMS
    return question.columns


def rows_of(question: Question, values: dict[str, Value]) -> str:
    """What stands behind FROM: the rows of the question's view, for each of its event types."""
    parts = []
    columns = "*"
    if question.source in SESSION and question.filters.has_paths_of_results:
        columns = _of_matching_results(question.filters, values)
    for number, event_type in enumerate(question.event_types):
        values[f"event_type_{number}"] = event_type
        bound = f"{{event_type_{number}:String}}"
        view = f"{_view(question)}({_RANGE}{bound}"
        view += ", one_of = {one_of:UInt64})" if question.is_sampled else ")"
        if "expected_clicks" in question.columns:
            view += f" AS shown LEFT JOIN ({_expected(bound)}) AS average ON average.at = position"
        parts.append(f"SELECT {bound} AS event_type, {columns} FROM {view}")  # noqa: S608 - fragments
    return f"({' UNION ALL '.join(parts)})"


def _view(question: Question) -> str:
    if question.counts_results:
        return f"_{Source.OBJECTS.value}"
    if question.source is Source.POSITIONS:
        return "_session_goals"
    return f"_{question.source.value}" if question.is_sampled else question.source.value


def _of_matching_results(filters: Filters, values: dict[str, Value]) -> str:
    """All columns of searches; results are counted that the filters of their metas take."""
    taken = (
        f"arrayMap(each -> toUInt8({_of_result(filters, 'each', values)}),"
        " arrayResize(result_dimension_sets, length(result_clicks)))"
    )
    return (
        f"* REPLACE (toUInt64(arraySum({taken})) AS impressions,"
        f" toUInt64(arrayCount((is_taken, is_clicked) -> is_taken AND is_clicked, {taken},"
        " result_clicks)) AS clicked_impressions)"
    )


def _expected(event_type: str) -> str:
    """How often results at each position are clicked, in billionths: over all sessions of the
    range, whatever is filtered."""
    return (
        "SELECT position AS at, toUInt64(round(1000000000 * position_ctr)) AS expected_clicks"  # noqa: S608
        f" FROM metrics_positions({_RANGE}{event_type}, limit = 65535)"
    )


def key_of(name: str, number: int, values: dict[str, Value]) -> str:
    """What a dimension is grouped by, null where there is none; its path is added to the values."""
    if name in _KEYS:
        return _KEYS[name]
    values[f"by_{number}"] = _needle(name)
    of = "result_dimension_set" if is_of_results(name) else "dimension_set"
    return f"nullIf(toString(simpleJSONExtractString({of}, {{by_{number}:String}})), '')"


def _needle(path: str) -> str:
    """The path as `dimension_set` has it."""
    return path.replace("\\", "\\\\").replace('"', '\\"').replace("/", "\\/")


def conditions(
    filters: Filters, values: dict[str, Value], *, of_results: bool = False
) -> list[str]:
    """What must hold of a session, or of a result that it showed, for WHERE; the values are added
    to these."""
    found = []
    if filters.user is not None:
        values["only_user"] = list(filters.user)
        found.append("user_id IN {only_user:Array(String)}")
    for name, text, condition in (
        ("query", filters.query, "search_query = {only_query:String}"),
        (
            "query_prefix",
            filters.query_prefix,
            "startsWith(search_query, {only_query_prefix:String})",
        ),
        ("query_regex", filters.query_regex, "match(search_query, {only_query_regex:String})"),
        ("sort_field", filters.sort_field, "sort_field = {only_sort_field:String}"),
    ):
        if text is not None:
            values[f"only_{name}"] = text
            found.append(condition)
    found += _declared(filters, "dimension_set", values, of_results=False)
    if filters.has_paths_of_results:
        holds = _of_result(filters, "result_dimension_set" if of_results else "each", values)
        found.append(
            holds if of_results else f"arrayExists(each -> {holds}, result_dimension_sets)"
        )
    return found


def _of_result(filters: Filters, dimension_set: str, values: dict[str, Value]) -> str:
    """What must hold of one result."""
    return " AND ".join(_declared(filters, dimension_set, values, of_results=True))


def _declared(
    filters: Filters, dimension_set: str, values: dict[str, Value], *, of_results: bool
) -> list[str]:
    """Filters by declared paths of searches, or of results."""
    found = []
    for number, (path, text) in enumerate(filters.declared.items()):
        if is_of_results(path) is of_results:
            values[f"path_{number}"], values[f"value_{number}"] = _needle(path), text
            found.append(
                f"simpleJSONExtractString({dimension_set}, {{path_{number}:String}})"
                f" = {{value_{number}:String}}"
            )
    return found


def _narrowed(question: Question, values: dict[str, Value]) -> list[str]:
    """Only texts of these buckets, when they are known to hold the page."""
    if not question.buckets:
        return []
    values["buckets"] = list(question.buckets)
    return [f"{_bucket(question)} IN {{buckets:Array(UInt32)}}"]


def is_of_texts(question: Question) -> bool:
    """Whether each query text is a group."""
    return tuple(question.by) == (SEARCH_QUERY,) and question.granularity is None


def most_buckets(question: Question) -> int:
    """How many are looked through for a page."""
    return MOST_SMALL_BUCKETS if _has_small_buckets(question) else MOST_BUCKETS


def _has_small_buckets(question: Question) -> bool:
    """Where few rows add to a bound, each text has a bucket of its own, but for some. The table has
    no column for these: to hash all texts costs less than to store so many bits of each."""
    return question.ranking is not None and question.ranking.bounded_by is not None


def _bucket(question: Question) -> str:
    return "toUInt32(sipHash64(search_query))" if _has_small_buckets(question) else "query_bucket"


def bucket_statement(question: Question) -> Statement:
    """Buckets of query texts, those first that may hold the first groups: of each the sum that is
    as large as the ranking's number of all its texts together. One more than `most_buckets`."""
    ranking = question.ranking
    if ranking is None or ranking.bound is None:
        raise ValueError("this ranking has no bound")
    values: dict[str, Value] = {
        **range_values(question),
        "limit": most_buckets(question) + 1,
        "least": ranking.least,
    }
    source = rows_of(question, values)
    where = " AND ".join([ranking.bounded_by or "1", *conditions(question.filters, values)])
    bound = ranking.bound.format_map({name: f"sum({name})" for name in question.columns})
    return Statement(
        f"""
SELECT {_bucket(question)} AS bucket, toInt64({bound}) AS bound
FROM {source}
WHERE {where}
GROUP BY bucket
HAVING bound >= {{least:Int64}}
ORDER BY bound DESC
LIMIT {{limit:UInt32}}
""",  # noqa: S608 - fragments of this module
        values,
    )


def _sum(name: str, condition: str | None) -> str:
    if name == "users":
        return f"toInt64(uniqExactIf(user_hash, user_hash != 0 AND {condition or 1}))"
    return f"toInt64(sum({name}))" if condition is None else f"toInt64(sumIf({name}, {condition}))"


def _time(question: Question, is_current: str) -> str:
    if question.granularity is None:
        return "CAST(NULL, 'Nullable(Int64)')"
    moment = "created_at"
    if question.compare_previous:
        moment = f"created_at + toIntervalMillisecond(if({is_current}, 0, {{period_ms:Int64}}))"
    start = _STARTS[question.granularity].replace(
        "moment", f"toTimeZone({moment}, {{time_zone:String}})"
    )
    return f"toNullable(toUnixTimestamp64Milli(toDateTime64({start}, 3, {{time_zone:String}})))"


def _quantiles(question: Question, condition: str | None) -> str:
    """Of each metric that is one, in their order. Empty without a condition."""
    of = [each for each in question.metrics if each.kind is Kind.QUANTILE]
    if condition is None or not of:
        return "CAST([], 'Array(Array(Int64))')"
    has_many_groups = bool(question.by)
    each = (_quantiles_of(metric, condition, has_many_groups=has_many_groups) for metric in of)
    return f"[{', '.join(each)}]"


def _quantiles_of(metric: Metric, condition: str, *, has_many_groups: bool) -> str:
    name = metric.numerator
    levels = ", ".join(map(str, LEVELS))
    if name in ARRAYS:
        return f"quantilesExactArrayIf({levels})({name}, {condition})"
    is_there = f"{metric.denominator} = 1 AND {condition}"
    if has_many_groups:
        return f"quantilesExactIf({levels})(assumeNotNull({name}), {is_there})"
    # Counts each number that occurs, and holds it once: half the time for ten million, and a tenth
    # of the memory. It takes the number at a level's share rounded up, the other one the next one
    # where the share is whole: so each level is a little higher.
    levels = ", ".join(f"{level + 1e-12:.12f}" for level in LEVELS)
    return f"quantilesExactWeightedIf({levels})(assumeNotNull({name}), 1, {is_there})"


def _ranking(question: Question, values: dict[str, Value]) -> tuple[str, str, bool | None]:
    """The number that groups are sorted by, what stands behind WHERE, and whether the largest are
    first; None when there is no such number."""
    places = _places(question)
    having = ["1"]
    if question.min_sessions > 1:
        values["min_sessions"] = question.min_sessions
        having.append(f"{places['sessions']} >= {{min_sessions:UInt64}}")
    ranking = question.ranking
    if ranking is None or question.source is Source.POSITIONS:
        return "NULL", " AND ".join(having), None
    values["overall"], values["min_impressions"] = repr(question.overall), ranking.min_impressions
    values["least"] = ranking.least
    places |= {
        "overall": "{overall:Float64}",
        "min_impressions": "{min_impressions:UInt64}",
        "least": "{least:Int64}",
    }
    having.append(ranking.having.format_map(places))
    return ranking.order.format_map(places), " AND ".join(having), not ranking.ascending


def _places(question: Question) -> dict[str, str]:
    """Where the outer SELECT has each sum."""
    names = sum_names(question)
    places = {name: f"sums[{place}]" for place, name in enumerate(names, 1)}
    return places | {
        f"previous_{name}": f"previous[{place}]" for place, name in enumerate(names, 1)
    }
