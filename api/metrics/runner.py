"""Asks ClickHouse a question, and gives its answer page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import msgspec
from clickhouse_connect.driver.exceptions import DatabaseError

from api.metrics.answer import GroupRow, Row, answer_rows
from api.metrics.catalogue import BY_NAME, Metric
from api.metrics.cursors import Place
from api.metrics.distributions import (
    Shape,
    SpreadRow,
    bucket_rows,
    buckets_statement,
    quantile_rows,
    quantiles_statement,
)
from api.metrics.parameters import refusal
from api.metrics.question import Question
from api.metrics.sample import AUTOMATIC, Sample, part_of, sample_of
from api.metrics.sql import (
    MOST_ROWS,
    Statement,
    bucket_statement,
    is_of_texts,
    is_whole,
    most_buckets,
    now_statement,
    statement,
)
from api.queries import AS_OF, EVENT_TYPES, FULL_SCAN, NOW, SIZE_OF_RANGE, NowRow, Query, SizeRow
from api.store import Store
from core.errors import QuestionTooLarge, StatementTooLarge

_CANNOT_COMPILE_REGEXP: Final = 427

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of an answer. `next`: the cursor of the following page, if there is one."""

    rows: Sequence[Row]
    next: str | None
    as_of: int | None
    """Milliseconds; up to when the numbers are whole."""
    sample: Sample | None = None
    """What they are of, if not of everything."""


class BucketRow(msgspec.Struct, frozen=True):
    """Of all texts of the bucket together."""

    bucket: int
    bound: int


class StateRow(msgspec.Struct, frozen=True):
    """What `now_statement` selects."""

    numbers: list[float | None]


def place_of(row: GroupRow) -> Place:
    """Where it is in the order of its question."""
    return Place(row.time, row.rank, row.place)


class Runner:
    """One per process. Raises SinkUnavailable; QuestionTooLarge when ClickHouse cuts it off."""

    def __init__(self, store: Store, seconds: float) -> None:
        self._store = store
        self._seconds = seconds

    async def as_of(self) -> int | None:
        """Read before the numbers, so that they are never older than it says."""
        (noted,) = await self._store.rows(AS_OF, self._seconds)
        return noted.as_of

    async def now(self, question: Question) -> NowRow:
        """What is not of the selected sessions."""
        from_ms, to_ms = question.times
        (row,) = await self._store.rows(NOW, self._seconds, from_ms=from_ms, to_ms=to_ms)
        return row

    async def of_now(self, metrics: Sequence[Metric]) -> Page:
        """One row of metrics that are not of searches."""
        as_of = await self.as_of()
        names = [metric.numerator for metric in metrics]
        (row,) = await self.rows(now_statement(names), StateRow)
        numbers = (
            int(each) if each is not None and each.is_integer() else each for each in row.numbers
        )
        cells: Row = dict(zip((metric.name for metric in metrics), numbers, strict=True))
        return Page([cells], None, as_of)

    async def sampled(self, question: Question) -> Question:
        """The question with the part that is read of it, where that was left to us."""
        if question.one_of != AUTOMATIC:
            return question
        part = await self._part(question) if question.is_sampled else 1
        return replace(question, one_of=part)

    async def event_types(self, times: tuple[int, int], most: int) -> list[str]:
        """Those that most events of the range have, in their order as words."""
        (found,) = await self._store.rows(
            EVENT_TYPES, self._seconds, from_ms=times[0], to_ms=times[1], limit=most
        )
        return sorted(found.event_types)

    async def page(self, question: Question) -> Page:
        """The rows behind the question's place, up to its limit."""
        asked = question
        as_of = await self.as_of()
        question = await self.sampled(question)
        if question.ranking is not None and question.ranking.needs_overall:
            question = replace(question, overall=await self._session_ctr(question))
        found = await self._found(question)
        if is_whole(question):
            if len(found) >= MOST_ROWS:
                raise QuestionTooLarge("it has too many groups: leave out a dimension, or filter")
            every = answer_rows(question, found)
            begin = 0 if question.after is None else question.after.offset
            end = begin + question.limit
            rows = every[begin:end]
            last = Place(None, None, "", end) if len(every) > end else None
        else:
            rows = answer_rows(question, found[: question.limit])
            last = place_of(found[question.limit - 1]) if len(found) > question.limit else None
        sample = sample_of(question.source, question.one_of)
        next = None if last is None else asked.cursor_behind(last)
        return Page(rows, next, as_of, sample)

    async def spread(self, question: Question, shape: Shape) -> Page:
        """Its distribution, or its quantiles."""
        asked, as_of = question, await self.as_of()
        question = await self.sampled(question)
        is_buckets = shape is Shape.DISTRIBUTION
        select = buckets_statement if is_buckets else quantiles_statement
        found = await self.rows(select(question), SpreadRow)
        page = found[: question.limit]
        rows = (bucket_rows if is_buckets else quantile_rows)(question, page)
        has_more = len(found) > question.limit
        next = asked.cursor_behind(Place(None, page[-1].rank, page[-1].place)) if has_more else None
        return Page(rows, next, as_of, sample_of(question.source, question.one_of))

    async def size_of(self, times: tuple[int, int]) -> SizeRow:
        """What the range holds, by and large."""
        (size,) = await self._store.rows(
            SIZE_OF_RANGE, self._seconds, from_ms=times[0], to_ms=times[1]
        )
        return size

    async def _part(self, question: Question) -> int:
        """One in how many is read."""
        from_ms = question.times[0] - question.compare_previous * question.period_ms
        return part_of(question.source, await self.size_of((from_ms, question.times[1])))

    async def _found(self, question: Question) -> list[GroupRow]:
        """Query texts may be as many as searches. Those of a page are mostly in few buckets: these
        are asked first, and all only when another one may hold a text of the page as well."""
        ranking = question.ranking
        if ranking is None or ranking.bound is None or not is_of_texts(question):
            return await self.rows(statement(question), GroupRow)
        buckets = await self.rows(bucket_statement(question), BucketRow)
        if not buckets:
            return []
        most = most_buckets(question)
        narrowed = replace(question, buckets=[each.bucket for each in buckets[:most]])
        found = await self.rows(statement(narrowed), GroupRow)
        if len(buckets) <= most:
            return found  # these are all that may hold any
        least = found[-1].rank if len(found) > question.limit else None
        if least is not None and least > buckets[most].bound:
            return found
        return await self.rows(statement(question), GroupRow)

    async def _session_ctr(self, question: Question) -> float:
        """Of all sessions of the question together."""
        whole = replace(
            question,
            metrics=[BY_NAME["session_ctr"]],
            by=(),
            compare_previous=False,
            ranking=None,
            min_sessions=1,
            after=None,
            more_columns=(),
        )
        (row,) = answer_rows(whole, await self.rows(statement(whole), GroupRow))
        return float(row["session_ctr"] or 0)

    async def rows(self, asked: Statement, row: type[T]) -> list[T]:
        """All rows of a statement."""
        query = Query("metrics", row, FULL_SCAN, text=asked.sql)
        try:
            return await self._store.rows(query, self._seconds, **asked.values)
        except StatementTooLarge as error:
            raise QuestionTooLarge(
                "ClickHouse cut it off: it takes too much time or memory; take a shorter range, or "
                "leave out a dimension"
            ) from error
        except DatabaseError as error:
            if error.code == _CANNOT_COMPILE_REGEXP:
                raise refusal("query_regex", "is not in the syntax of RE2") from error
            raise
