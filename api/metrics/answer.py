"""Rows of ClickHouse → the rows of an answer, which are the same in JSON and CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from api.metrics.buckets import starts
from api.metrics.catalogue import LEVELS, PARTS, POSITION, Granularity, Kind, Metric, Source
from api.metrics.positions import at_every_position, by_group, of_results_at_every_position
from api.metrics.question import Question
from api.metrics.sql import sum_names
from api.statistics.intervals import wilson

Cell = str | int | float | None
Row = dict[str, Cell]


class GroupRow(msgspec.Struct, frozen=True):
    """What `api.metrics.sql.statement` selects."""

    keys: list[str | None]
    time: int | None
    sums: list[int]
    previous: list[int]
    quantiles: list[list[int]]
    previous_quantiles: list[list[int]]
    rank: float | None = None
    place: str = ""
    """By what it is sorted, after its time."""


class _Group(msgspec.Struct, frozen=True):
    keys: Sequence[Cell]
    time: int | None
    sums: Mapping[str, int]
    previous: Mapping[str, int]
    quantiles: Sequence[Sequence[int]] = ()
    previous_quantiles: Sequence[Sequence[int]] = ()


def answer_rows(question: Question, found: Sequence[GroupRow]) -> list[Row]:
    """One flat row per group: its keys, the value of each metric with its numerator and
    denominator, and the interval of rates. `previous_…` is the same of the period before."""
    if question.source is Source.POSITIONS:
        groups: list[_Group] = list(_positions(question, found))
    else:
        groups = [_group(question, row) for row in found]
        if not (groups or question.by or question.granularity):
            groups = [_nothing(question, None)]  # no group at all is one with nothing in it
    if question.granularity is not None and not question.by:
        groups = _filled(question, question.granularity, groups)
    return [_row(question, group) for group in groups]


def column_names(question: Question) -> list[str]:
    """Of every row, in order; also when there is none."""
    nothing = dict.fromkeys([c for metric in question.metrics for c in metric.columns], 0)
    keys: Sequence[Cell] = [None] * len(question.by)
    return list(_row(question, _Group(keys, None, nothing, nothing)))


def _group(question: Question, row: GroupRow) -> _Group:
    names = sum_names(question)
    return _Group(
        row.keys,
        row.time,
        dict(zip(names, row.sums, strict=True)),
        dict(zip(names, row.previous, strict=False)),  # empty without a comparison
        row.quantiles,
        row.previous_quantiles,
    )


def _positions(question: Question, found: Sequence[GroupRow]) -> Iterator[_Group]:
    place = question.by.index(POSITION)
    unfolded = of_results_at_every_position if question.counts_results else at_every_position
    groups = [_group(question, row) for row in found]
    current, previous = (
        by_group(
            [
                ((str(g.time), *_others(g.keys, place)), int(str(g.keys[place])), sums)
                for g, sums in ((g, getattr(g, period)) for g in groups)
                if sums
            ]
        )
        for period in ("sums", "previous")
    )
    times = {str(g.time): g.time for g in groups}
    for keys, cells in current.items():
        before = dict(unfolded(previous.get(keys, {}), question.positions))
        nothing = dict.fromkeys(next(iter(before.values()), {}), 0)
        for position, sums in unfolded(cells, question.positions):
            others: list[Cell] = list(keys[1:])
            others.insert(place, position)
            earlier = before.get(position, nothing) if question.compare_previous else {}
            yield _Group(others, times[str(keys[0])], sums, earlier)


def _others(keys: Sequence[Cell], place: int) -> tuple[str | None, ...]:
    return tuple(None if k is None else str(k) for n, k in enumerate(keys) if n != place)


def _filled(question: Question, granularity: Granularity, groups: Sequence[_Group]) -> list[_Group]:
    """With the steps of the series in which nothing happened."""
    known = {group.time: group for group in groups}
    return [
        known.get(start) or _nothing(question, start)
        for start in starts(*question.times, granularity, question.time_zone)
    ]


def _nothing(question: Question, time: int | None) -> _Group:
    sums = dict.fromkeys(sum_names(question), 0)
    return _Group((), time, sums, sums if question.compare_previous else {})


def _row(question: Question, group: _Group) -> Row:
    row: Row = {} if question.granularity is None else {"time_ms": group.time}
    row.update(zip(question.by, group.keys, strict=True))
    row.update(_numbers(question, group.sums, group.quantiles))
    if question.compare_previous:
        earlier = _numbers(question, group.previous, group.previous_quantiles)
        row.update({f"previous_{name}": cell for name, cell in earlier.items()})
    return row


def _numbers(
    question: Question, sums: Mapping[str, int], quantiles: Sequence[Sequence[int]]
) -> Row:
    """Those of all metrics."""
    each_quantiles = iter(quantiles)
    row: Row = {}
    for metric in question.metrics:
        if metric.kind is Kind.QUANTILE:
            row.update(_quantile_cells(metric, sums, next(each_quantiles, ())))
        else:
            row.update(_cells(metric, sums))
    return row


def _cells(metric: Metric, sums: Mapping[str, int]) -> Row:
    """The metric and what it is made of: each number under its own name."""
    numerator = whole(metric.numerator, sums)
    if metric.denominator is None:
        return {metric.name: numerator}
    denominator = whole(metric.denominator, sums)
    value = numerator / denominator if denominator else None
    cells: Row = {metric.name: value}
    if metric.kind is Kind.RATE:
        interval = wilson(int(numerator), int(denominator))
        cells[f"{metric.name}_low"] = None if interval is None else interval.low
        cells[f"{metric.name}_high"] = None if interval is None else interval.high
    return {**cells, metric.numerator: numerator, metric.denominator: denominator}


def _quantile_cells(metric: Metric, sums: Mapping[str, int], quantiles: Sequence[int]) -> Row:
    (name,) = metric.columns
    count = sums[name]
    levels = dict(zip(LEVELS, quantiles if count else (None,) * len(LEVELS), strict=False))
    return {
        metric.name: levels.get(0.5),
        **{f"{metric.name}_p{round(level * 100)}": levels.get(level) for level in LEVELS},
        name: count,
    }


def whole(column: str, sums: Mapping[str, int]) -> int | float:
    """A sum in units of 1."""
    parts = PARTS.get(column, 1)
    return sums[column] if parts == 1 else sums[column] / parts
