"""Asks ClickHouse a question, and gives its answer page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from clickhouse_connect.driver.exceptions import DatabaseError

from api.metrics.answer import GroupRow, Row, answer_rows
from api.metrics.catalogue import BY_NAME
from api.metrics.parameters import refusal, write_cursor
from api.metrics.question import Question
from api.metrics.sql import MOST_ROWS, Statement, is_whole, statement
from api.queries import AS_OF, FULL_SCAN, NOW, NowRow, Query
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

    async def page(self, question: Question) -> Page:
        """The rows that the question's offset and limit name."""
        as_of = await self.as_of()
        if question.ranking is not None and question.ranking.needs_overall:
            question = replace(question, overall=await self._session_ctr(question))
        found = await self.rows(statement(question), GroupRow)
        if is_whole(question):
            if len(found) >= MOST_ROWS:
                raise QuestionTooLarge("it has too many groups: leave out a dimension, or filter")
            every = answer_rows(question, found)
            rows = every[question.offset : question.offset + question.limit]
            has_more = len(every) > question.offset + question.limit
        else:
            rows = answer_rows(question, found[: question.limit])
            has_more = len(found) > question.limit
        end = question.offset + question.limit
        return Page(rows, write_cursor(question, end) if has_more else None, as_of)

    async def _session_ctr(self, question: Question) -> float:
        """Of all sessions of the question together."""
        whole = replace(
            question,
            metrics=[BY_NAME["session_ctr"]],
            by=(),
            compare_previous=False,
            ranking=None,
            min_sessions=1,
            offset=0,
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
