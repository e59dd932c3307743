"""`shape=distribution` and `shape=quantiles`: how one value of each search, or of each click, is
spread, in place of its mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Final

import msgspec

from api.metrics.answer import Cell, Row
from api.metrics.catalogue import ARRAYS, LEVELS, METRICS, Metric
from api.metrics.cursors import beyond, sorted_text
from api.metrics.parameters import refusal
from api.metrics.question import Question
from api.metrics.sql import Statement, grouped_by, range_values, rows_of, selected
from api.store import Value


class Shape(StrEnum):
    """Of an answer."""

    TABLE = "table"
    DISTRIBUTION = "distribution"
    QUANTILES = "quantiles"


OF_BUCKETS: Final = ("at_least", "below", "count", "share", "share_below")
OF_QUANTILES: Final = ("count", "mean", *(f"p{round(level * 100)}" for level in LEVELS))

SPREAD: Final = tuple(metric.name for metric in METRICS if metric.edges)
"""Metrics that have a distribution."""

_OF_TABLES: Final = (
    "granularity", "time_zone", "compare", "order", "ascending", "min_sessions"
)  # fmt: skip


def check_spread(metrics: Sequence[Metric], sent: Iterable[str]) -> None:
    """One metric that has a distribution, and no parameter that only tables have."""
    if len(metrics) != 1:
        raise refusal("metric", "is one for a distribution or quantiles")
    if not metrics[0].edges:
        listed = ", ".join(SPREAD)
        raise refusal("metric", f"{metrics[0].name} has no distribution: there are {listed}")
    for name in sent:
        if name in _OF_TABLES:
            raise refusal(name, "is for shape=table")


class SpreadRow(msgspec.Struct, frozen=True):
    """What is selected of a group. `at_least` and `counts`: of the buckets that have values, from
    the lowest; `quantiles`: of `LEVELS`. Two of the three are empty."""

    keys: list[str | None]
    rank: float
    place: str
    total: int
    at_least: list[int]
    counts: list[int]
    quantiles: list[int]


def buckets_statement(question: Question) -> Statement:
    """A `SpreadRow` per group, those with most values first."""
    values = _values(question)
    keys, source = _source(question, values)
    groups = "".join(f"{name}, " for name in keys)
    values["edges"] = list(question.metrics[0].edges)
    return _paged(
        question,
        keys,
        values,
        f"""
SELECT
    {groups}sum(number) AS rank, sum(added) AS total,
    arraySort(groupArray((bucket, number))) AS buckets, buckets.1 AS at_least,
    buckets.2 AS counts, CAST([], 'Array(Int64)') AS quantiles
FROM
(
    SELECT
        {groups}roundDown(value, {{edges:Array(Int64)}}) AS bucket,
        count() AS number, sum(value) AS added
    FROM ({source})
    GROUP BY {groups}bucket
)
{_group_by(keys)}
""",  # noqa: S608 - fragments of ours
    )


def quantiles_statement(question: Question) -> Statement:
    """The same, with quantiles in place of buckets."""
    values = _values(question)
    keys, source = _source(question, values)
    levels = ", ".join(map(str, LEVELS))
    return _paged(
        question,
        keys,
        values,
        f"""
SELECT
    {"".join(f"{name}, " for name in keys)}count() AS rank, sum(value) AS total,
    CAST([], 'Array(Int64)') AS at_least, CAST([], 'Array(UInt64)') AS counts,
    quantilesExact({levels})(value) AS quantiles
FROM ({source})
{_group_by(keys)}
""",  # noqa: S608 - fragments of ours
    )


def _values(question: Question) -> dict[str, Value]:
    return range_values(question) | {"limit": question.limit + 1}


def _source(question: Question, values: dict[str, Value]) -> tuple[list[str], str]:
    """The names of the keys, and SQL with a row for each value."""
    (metric,) = question.metrics
    keys = grouped_by(question, values)
    column = metric.numerator
    value = f"arrayJoin({column})" if column in ARRAYS else f"toInt64(assumeNotNull({column}))"
    is_there = [] if column in ARRAYS else [f"{metric.denominator or 'sessions'} = 1"]
    return list(keys), (
        f"SELECT {''.join(f'{key} AS {name}, ' for name, key in keys.items())}{value} AS value"  # noqa: S608
        f" FROM {rows_of(question, values)}"
        f" WHERE {' AND '.join([selected(question, values), *is_there])}"
    )


def _group_by(keys: Sequence[str]) -> str:
    """Without keys, nothing at all is no group."""
    return f"GROUP BY {', '.join(keys)}" if keys else "HAVING rank > 0"


def _paged(
    question: Question, keys: Sequence[str], values: dict[str, Value], inner: str
) -> Statement:
    after = question.after
    behind = "1" if after is None else beyond(after, values, descending=True)
    return Statement(
        f"""
SELECT
    CAST([{", ".join(keys)}], 'Array(Nullable(String))') AS keys,
    toFloat64(rank) AS rank, {sorted_text(keys)} AS place, toInt64(total) AS total,
    at_least, counts, quantiles
FROM ({inner})
WHERE {behind}
ORDER BY rank DESC, place
LIMIT {{limit:UInt32}}
""",  # noqa: S608 - fragments of ours
        values,
    )


def bucket_rows(question: Question, found: Sequence[SpreadRow]) -> list[Row]:
    """One row per bucket of each group, from the lowest to the highest that has a value in any."""
    (metric,) = question.metrics
    highest = max((row.at_least[-1] for row in found), default=metric.edges[0])
    return [row for group in found for row in _buckets(question.by, metric, group, highest)]


def _buckets(by: Sequence[str], metric: Metric, group: SpreadRow, highest: int) -> Iterator[Row]:
    counts = dict(zip(group.at_least, group.counts, strict=True))
    of, below_count = sum(group.counts), 0
    for at_least, below in pairwise((*metric.edges, None)):
        if at_least is None or at_least > highest:
            return
        count = counts.get(at_least, 0)
        below_count += count
        cells: tuple[Cell, ...] = (at_least, below, count, count / of, below_count / of)
        yield dict(zip((*by, *OF_BUCKETS), (*group.keys, *cells), strict=True))


def quantile_rows(question: Question, found: Sequence[SpreadRow]) -> list[Row]:
    """One row per group."""
    return [
        dict(
            zip(
                (*question.by, *OF_QUANTILES),
                (*row.keys, int(row.rank), row.total / row.rank, *row.quantiles),
                strict=True,
            )
        )
        for row in found
    ]
