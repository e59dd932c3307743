"""What happens to questions that ClickHouse does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TypeVar

import pytest

from api.metrics.answer import GroupRow
from api.metrics.catalogue import BY_NAME, Granularity, Source
from api.metrics.parameters import read_cursor
from api.metrics.question import Question
from api.metrics.runner import Page, Runner
from api.metrics.sql import MOST_ROWS
from api.queries import AsOfRow, Query
from api.store import Value
from core.errors import STATUS, QuestionTooLarge, SinkUnavailable, StatementTooLarge

Row = TypeVar("Row")

QUESTION = Question(
    metrics=[BY_NAME["sessions"]],
    source=Source.SESSIONS,
    times=(0, 1),
    relevance="exclude",
    event_types=["click"],
    by=["search_query"],
    limit=2,
)


class FakeStore:
    """Answers with these rows, or raises."""

    def __init__(self, answer: list[GroupRow] | Exception) -> None:
        self._answer = answer

    async def rows(self, query: Query[Row], seconds: float, **values: Value) -> list[Row]:
        assert seconds == 7
        assert not values or "from_ms" in values
        if query.row is AsOfRow:
            return [AsOfRow(1_234)]  # type: ignore[list-item]  # it is a Row then
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer  # type: ignore[return-value]  # as above

    def file(
        self, query: Query[bytes], format: str, **values: Value
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        raise NotImplementedError


def page(answer: list[GroupRow] | Exception, question: Question = QUESTION) -> Page:
    return asyncio.run(Runner(FakeStore(answer), 7).page(question))


def group(text: str, number: int) -> GroupRow:
    return GroupRow([text], None, [number], [], [], [])


def test_a_question_that_is_cut_off_is_a_422_of_its_own_type() -> None:
    with pytest.raises(QuestionTooLarge, match="take a shorter range"):
        page(StatementTooLarge("it took too long"))
    assert STATUS[QuestionTooLarge].status == 422
    assert STATUS[QuestionTooLarge].slug == "question-too-large"


def test_a_server_that_is_down_is_none_of_the_callers_business() -> None:
    with pytest.raises(SinkUnavailable):
        page(SinkUnavailable("down"))


def test_too_many_groups_of_positions_are_refused() -> None:
    of_positions = replace(QUESTION, source=Source.POSITIONS, by=["position"])
    row = GroupRow(["1"], None, [1, 1, 1, 1], [], [], [])
    with pytest.raises(QuestionTooLarge, match="too many groups"):
        page([row] * MOST_ROWS, of_positions)


def test_a_page_that_is_not_the_last_one_names_the_next() -> None:
    first = page([group("a", 3), group("b", 2), group("c", 1)])
    assert [row["search_query"] for row in first.rows] == ["a", "b"]
    assert first.as_of == 1_234
    assert first.next is not None
    assert read_cursor(first.next, QUESTION) == 2
    last = page([group("c", 1)], replace(QUESTION, offset=2))
    assert (len(last.rows), last.next) == (1, None)


def test_every_step_of_a_series_is_there() -> None:
    series = replace(
        QUESTION, by=(), granularity=Granularity.HOUR, times=(0, 3 * 3_600_000), limit=10
    )
    found = page([GroupRow([], 3_600_000, [5], [], [], [])], series)
    assert [(row["time_ms"], row["sessions"]) for row in found.rows] == [
        (0, 0), (3_600_000, 5), (7_200_000, 0)
    ]  # fmt: skip
