"""The sample data has something for every panel, and nothing that could not be removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from clickstream.local.demo.disorder import EVENTS, IRRELEVANT, SESSION, Post
from clickstream.local.demo.sample.month import SAMPLE_SESSIONS, USERS, Month
from clickstream.local.demo.sample.shop import PROMOTED

NOW_MS = 1_795_957_634_659
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def posts() -> Sequence[Post]:
    return list(Month(SAMPLE_SESSIONS, NOW_MS).posts())


def bodies(posts: Sequence[Post], path: str) -> list[dict]:  # type: ignore[type-arg]
    return [post.body for post in posts if post.path == path]


def test_equal_arguments_give_equal_posts(posts: Sequence[Post]) -> None:
    assert list(Month(SAMPLE_SESSIONS, NOW_MS).posts()) == posts
    later = {post.session_id for post in Month(50, NOW_MS + 1000).posts()}
    assert later.isdisjoint(post.session_id for post in posts), "erased ids never come back"


def test_every_session_has_a_user_that_can_be_erased(posts: Sequence[Post]) -> None:
    sessions = bodies(posts, SESSION)
    assert {session["user_id"] for session in sessions} <= set(USERS)
    assert len({session["session_id"] for session in sessions}) == len(sessions) >= SAMPLE_SESSIONS
    assert all(session["search_meta"]["source"] == "sample" for session in sessions)


def test_events_and_marks_follow_their_session(posts: Sequence[Post]) -> None:
    seen: set[str] = set()
    for post in posts:
        assert (post.path == SESSION) == (post.session_id not in seen)
        seen.add(post.session_id)


def test_it_is_of_the_last_thirty_days(posts: Sequence[Post]) -> None:
    for session in bodies(posts, SESSION):
        assert NOW_MS - 30 * DAY_MS < session["created_at"] <= NOW_MS
    for body in bodies(posts, EVENTS):
        assert all(event["created_at"] < NOW_MS for event in body["events"])


def test_every_panel_has_something(posts: Sequence[Post]) -> None:
    sessions = bodies(posts, SESSION)
    assert len(bodies(posts, IRRELEVANT)) > 10
    empty = [session for session in sessions if not session["search_results"]]
    assert 0.02 < len(empty) / len(sessions) < 0.15
    types = Counter(
        event["event_type"] for body in bodies(posts, EVENTS) for event in body["events"]
    )
    assert types["click"] > types["add_to_cart"] > types["purchase"] > 20
    shown = Counter(r["object_id"] for s in sessions for r in s["search_results"])
    clicked = {e["object_id"] for body in bodies(posts, EVENTS) for e in body["events"]}
    assert shown[PROMOTED] > 100
    assert PROMOTED not in clicked
    teams = {r["meta"].get("team") for s in sessions for r in s["search_results"]}
    assert teams == {None, "bm25", "hybrid"}
    late = NOW_MS - 6 * DAY_MS
    assert all(s["created_at"] > late for s in sessions if s["search_query"] == "fan heater")


def test_the_treatment_is_better(posts: Sequence[Post]) -> None:
    variant = {s["session_id"]: s["search_meta"]["variant"] for s in bodies(posts, SESSION)}
    all_of = Counter(variant.values())
    clicked = Counter(
        variant[body["session_id"]]
        for body in bodies(posts, EVENTS)
        if any(event["event_type"] == "click" for event in body["events"])
    )
    control, treatment = (clicked[v] / all_of[v] for v in ("control", "treatment"))
    assert treatment - control > 0.04
    assert control > 0.3
