"""A second post of an id is told that it has no effect."""

from __future__ import annotations

from typing import Any

import pytest

from core.settings import Settings
from producers.recent_posts import RecentPosts
from tests.producers.write_side import write_side

SETTINGS = Settings(_env_file=None)


def session(*shown: str, **more: Any) -> dict[str, Any]:
    results = [{"object_id": each} for each in shown]
    return {"session_id": "s", "search_query": "q", "search_results": results, **more}


def events(*each: tuple[str, str]) -> dict[str, Any]:
    return {
        "session_id": "s",
        "events": [{"event_id": id_, "object_id": object_id} for id_, object_id in each],
    }


def test_a_second_page_under_the_same_id_is_told_that_it_is_ignored() -> None:
    with write_side(SETTINGS) as side:
        assert side.client.post("/session", json=session("a", "b")).json() == {
            "session_id": "s",
            "accepted": 1,
        }
        answer = side.client.post("/session", json=session("c", "d"))
        assert answer.status_code == 200
        assert answer.json()["ignored"] == ["$"]
        assert "the first post stands" in answer.json()["note"]


@pytest.mark.parametrize("again", [session("a"), session("a", created_at=1_701_012_345_678)])
def test_a_repeated_post_is_no_other_one(again: dict[str, Any]) -> None:
    with write_side(SETTINGS) as side:
        for body in (session("a"), again):
            answer = side.client.post("/session", json=body)
            assert answer.json() == {"session_id": "s", "accepted": 1}


@pytest.mark.parametrize("other", [session("a", "b"), session(), session("a", search_query="r")])
def test_another_query_or_list_is_and_stays_one(other: dict[str, Any]) -> None:
    with write_side(SETTINGS) as side:
        side.client.post("/session", json=session("a"))
        for _ in range(2):
            assert side.client.post("/session", json=other).json()["ignored"] == ["$"]
        assert "note" not in side.client.post("/session", json=session("a")).json()


def test_event_ids_that_are_used_again_for_other_objects_are_named() -> None:
    with write_side(SETTINGS) as side:
        side.client.post("/session/events", json=events(("1", "a"), ("2", "b")))
        answer = side.client.post(
            "/session/events", json=events(("3", "c"), ("1", "x"), ("2", "b"))
        )
        assert answer.json()["ignored"] == ["$.events[1]"]
        assert answer.json()["accepted"] == 3
        other = {**events(("1", "x")), "session_id": "t"}
        assert "note" not in side.client.post("/session/events", json=other).json()


def test_fields_that_nobody_knows_are_named_beside_them() -> None:
    with write_side(SETTINGS) as side:
        side.client.post("/session/events", json=events(("1", "a")))
        body = {**events(("1", "x")), "colour": "red"}
        answer = side.client.post("/session/events", json=body)
        assert answer.json()["ignored"] == ["$.colour", "$.events[0]"]


def test_what_was_not_acknowledged_is_not_remembered() -> None:
    recent = RecentPosts()
    assert not recent.has_other("s", 1)
    assert not recent.has_other("s", 2)


def test_memory_is_bounded_and_the_newest_are_known() -> None:
    recent = RecentPosts(most=10)
    for number in range(1_000):
        recent.acknowledged(number, "content")
    known = [number for number in range(1_000) if recent.has_other(number, "other")]
    assert known == list(range(980, 1_000))
