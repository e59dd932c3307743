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
from api.metrics.cursors import Place
from api.metrics.question import Question, Ranking
from api.metrics.runner import BucketRow, Page, Runner
from api.metrics.sample import AUTOMATIC, part_of, part_of_health, sample_of, sample_of_health
from api.metrics.sql import MOST_BUCKETS, MOST_ROWS
from api.queries import AsOfRow, Query, SizeRow
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
    return GroupRow([text], None, [number], [], [], [], place=text)


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
    following = QUESTION.on_page(first.next)
    assert following.after == Place(None, None, "b")
    last = page([group("c", 1)], following)
    assert (len(last.rows), last.next) == (1, None)


def test_positions_are_at_fixed_places() -> None:
    of_positions = replace(
        QUESTION,
        metrics=[BY_NAME["impressions"]],
        source=Source.POSITIONS,
        by=["position"],
    )
    rows = [GroupRow([str(n)], None, [1, 1, 1, 1], [], [], []) for n in (1, 2, 3)]
    first = page(rows, of_positions)
    assert [row["position"] for row in first.rows] == [1, 2]
    assert first.next is not None
    last = page(rows, of_positions.on_page(first.next))
    assert [row["position"] for row in last.rows] == [3]
    assert last.next is None


def test_every_step_of_a_series_is_there() -> None:
    series = replace(
        QUESTION, by=(), granularity=Granularity.HOUR, times=(0, 3 * 3_600_000), limit=10
    )
    found = page([GroupRow([], 3_600_000, [5], [], [], [])], series)
    assert [(row["time_ms"], row["sessions"]) for row in found.rows] == [
        (0, 0), (3_600_000, 5), (7_200_000, 0)
    ]  # fmt: skip


class FakeTexts:
    """More buckets of query texts than are looked through. Those asked for have `narrowed`; all
    have `whole`."""

    def __init__(self, narrowed: list[GroupRow], whole: list[GroupRow], bound: int) -> None:
        self._narrowed, self._whole, self._bound = narrowed, whole, bound

    async def rows(self, query: Query[Row], seconds: float, **values: Value) -> list[Row]:
        assert seconds == 7
        if query.row is AsOfRow:
            return [AsOfRow(1)]  # type: ignore[list-item]  # it is a Row then
        if query.row is BucketRow:
            return [BucketRow(n, self._bound) for n in range(MOST_BUCKETS + 1)]  # type: ignore[misc]
        return self._narrowed if "buckets" in values else self._whole  # type: ignore[return-value]

    def file(
        self, query: Query[bytes], format: str, **values: Value
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        raise NotImplementedError


BY_SESSIONS = replace(QUESTION, ranking=Ranking("{sessions}", bound="{sessions}"), limit=1)


def ranked(text: str, number: int) -> GroupRow:
    return GroupRow([text], None, [number], [], [], [], number)


@pytest.mark.parametrize(
    ("question", "bound", "first"),
    [
        pytest.param(BY_SESSIONS, 4, "a", id="no other bucket reaches the page"),
        pytest.param(BY_SESSIONS, 5, "all", id="another one may hold as many as its last row"),
        pytest.param(replace(BY_SESSIONS, limit=2), 4, "all", id="the page is not full"),
        pytest.param(
            replace(BY_SESSIONS, ranking=Ranking("{sessions}")), 4, "all", id="nothing is bounded"
        ),
        pytest.param(
            replace(BY_SESSIONS, granularity=Granularity.DAY), 4, "all", id="each step has its own"
        ),
        pytest.param(replace(BY_SESSIONS, by=["user_id"]), 4, "all", id="it is not of texts"),
    ],
)
def test_few_buckets_of_texts_are_read_when_no_other_can_hold_the_page(
    question: Question, bound: int, first: str
) -> None:
    texts = FakeTexts([ranked("a", 9), ranked("b", 5)], [ranked("all", 9), ranked("b", 5)], bound)
    found = asyncio.run(Runner(texts, 7).page(question)).rows
    assert found[0][question.by[0]] == first


@pytest.mark.parametrize(
    ("source", "size", "one_of"),
    [
        (Source.OBJECTS, SizeRow(10_000_000, 2_500_000), 1),
        (Source.OBJECTS, SizeRow(1, 125_000_000), 50),
        (Source.OBJECTS, SizeRow(1, 125_000_001), 100),
        (Source.POSITIONS, SizeRow(1, 125_000_000), 50),
        (Source.INTENTS, SizeRow(250_000, 10**9), 1),
        (Source.INTENTS, SizeRow(10_000_000, 0), 50),
        (Source.INTENTS, SizeRow(10**12, 0), 1_000),
    ],
)
def test_a_part_is_read_of_what_takes_long(source: Source, size: SizeRow, one_of: int) -> None:
    assert part_of(source, size) == one_of
    sample = sample_of(source, one_of)
    assert (sample is None) == (one_of == 1)
    if sample is not None:
        assert f"one in {one_of}" in sample.note


@pytest.mark.parametrize(("sessions", "one_of"), [(0, 1), (50_000, 1), (50_001, 2), (10**7, 200)])
def test_a_part_is_checked_of_many_searches(sessions: int, one_of: int) -> None:
    assert part_of_health(SizeRow(sessions, 0)) == one_of
    sample = sample_of_health(one_of)
    assert sample is None if one_of == 1 else f"one in {one_of}" in sample.note


@pytest.mark.parametrize("source", [Source.SESSIONS, Source.POSITIONS, Source.NOW])
def test_what_is_read_whole_is_not_said_to_be_a_sample(source: Source) -> None:
    question = replace(QUESTION, source=source, one_of=AUTOMATIC)
    assert not question.is_sampled
    asked = asyncio.run(Runner(FakeStore([]), 7).sampled(question))
    assert asked.one_of == 1
    assert sample_of(asked.source, asked.one_of) is None
