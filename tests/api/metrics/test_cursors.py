"""Cursors: what they name, and which are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.metrics.catalogue import BY_NAME, Source
from api.metrics.cursors import Place, beyond, read_cursor, sorted_text, write_cursor
from api.metrics.question import Question
from core.errors import InvalidRequest

QUESTION = Question(
    metrics=[BY_NAME["session_ctr"]],
    source=Source.SESSIONS,
    times=(0, 1),
    relevance="exclude",
    event_types=["click"],
    by=["search_query"],
)
PLACE = Place(-5, 0.125, "1Schüh\n\0鞋")


def test_a_cursor_belongs_to_its_question() -> None:
    cursor = QUESTION.cursor_behind(PLACE)
    assert QUESTION.on_page(cursor).after == PLACE
    assert replace(QUESTION, limit=7).on_page(cursor).after == PLACE
    following = QUESTION.on_page(cursor)
    assert following.on_page(following.cursor_behind(PLACE)) == following
    assert QUESTION.on_page("") == QUESTION
    for other in (replace(QUESTION, times=(0, 2)), replace(QUESTION, by=["user_id"])):
        with pytest.raises(InvalidRequest, match="another question"):
            other.on_page(cursor)


@pytest.mark.parametrize("wrong", ["%", "ä", "e30", "WzQsIiJd", "kg", "A" * 4_000])
def test_what_is_no_cursor_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidRequest, match=r"query\.cursor"):
        QUESTION.on_page(wrong)


@pytest.mark.parametrize(
    "place", [Place(2**63, None, ""), Place(None, None, "", -1), Place(None, None, "", 10**12)]
)
def test_a_place_that_no_answer_has_is_refused(place: Place) -> None:
    with pytest.raises(InvalidRequest, match="no cursor"):
        read_cursor(write_cursor(QUESTION, place), QUESTION)


def test_a_cursor_fits_into_a_url_whatever_its_texts() -> None:
    longest = "\0".join(["1" + "鞋" * 133] * 3)  # 400 bytes of each
    assert len(QUESTION.cursor_behind(Place(2**62, 0.1 + 0.2, longest))) < 2_000


def test_nothing_of_a_cursor_is_in_the_text_of_the_statement() -> None:
    values: dict[str, object] = {}
    sql = beyond(replace_text("'); DROP"), values, descending=True)  # type: ignore[arg-type]
    assert "DROP" not in sql
    assert values["after_text"] == b"'); DROP".hex()
    assert "search_query" in sorted_text(["search_query"])


def replace_text(text: str) -> Place:
    return Place(1, 2.0, text)
