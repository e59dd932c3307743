"""Every kind of disorder occurs, and the order that decides who was first is kept."""

from __future__ import annotations

from itertools import groupby

import pytest

from clickstream.local.demo.disorder import EVENTS, IRRELEVANT, SESSION, Post, schedule
from clickstream.local.demo.simulator import Traffic


def posts(count: int = 2_500) -> list[Post]:
    return schedule(Traffic("demo-x", 1, 1_700_000_000_000).sessions(count), seed=1)


def by_session() -> dict[str, list[Post]]:
    ordered = sorted(posts(), key=lambda post: post.session_id)  # stable
    return {key: list(group) for key, group in groupby(ordered, lambda post: post.session_id)}


def test_equal_seeds_make_equal_schedules() -> None:
    assert posts(100) == posts(100)


def test_some_events_come_before_their_session() -> None:
    late = [p for p in by_session().values() if p[0].path == EVENTS and SESSION in _paths(p)]
    assert len(late) > 20


def test_some_sessions_never_come() -> None:
    assert any(SESSION not in _paths(group) for group in by_session().values())


def test_some_sessions_come_again_as_they_were_and_some_changed() -> None:
    repeated = [
        [post.body for post in group if post.path == SESSION] for group in by_session().values()
    ]
    repeated = [bodies for bodies in repeated if len(bodies) > 1]
    assert any(first == second for first, second in repeated)
    assert any(first != second for first, second in repeated)


def test_some_events_come_again_changed() -> None:
    first_types, later_types = set(), set()
    for group in by_session().values():
        types = [_event_types(post) for post in group if post.path == EVENTS]
        first_types |= types[0] if types else set()
        later_types |= set().union(*types[1:])
    assert "changed" in later_types
    assert "changed" not in first_types


def test_a_mark_never_comes_before_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clickstream.local.demo.disorder._MARKED", 0.5)
    marked = [group for group in by_session().values() if IRRELEVANT in _paths(group)]
    assert len(marked) > 10
    assert all(_paths(g).index(SESSION) < _paths(g).index(IRRELEVANT) for g in marked)


def _event_types(post: Post) -> set[str]:
    return {event["event_type"] for event in post.body["events"]}


def _paths(group: list[Post]) -> list[str]:
    return [post.path for post in group]
