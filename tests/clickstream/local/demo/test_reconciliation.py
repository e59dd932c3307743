"""The ledger misses nothing: each kind of loss, doubling and change is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from clickstream.local.demo.disorder import EVENTS, IRRELEVANT, SESSION, Post
from clickstream.local.demo.reconciliation import (
    ExpectedState,
    ObservedState,
    Row,
    compare,
    expected_state,
    rows,
)


def session(session_id: str, query: str = "tent") -> Post:
    body = {"session_id": session_id, "search_query": query, "search_results": [{"object_id": "o"}]}
    return Post(SESSION, session_id, body)


def events(session_id: str, *event_ids: str, event_type: str = "click") -> Post:
    made = [{"event_id": i, "object_id": "o", "event_type": event_type} for i in event_ids]
    return Post(EVENTS, session_id, {"session_id": session_id, "events": made})


def mark(session_id: str) -> Post:
    return Post(IRRELEVANT, session_id, {"session_id": session_id})


POSTS = [
    events("b", "e1"),
    session("a"),
    session("a", "changed"),
    events("a", "e1", "e2"),
    events("a", "e1", event_type="changed"),
    session("b"),
    mark("b"),
    events("lost", "e1"),
]
EXPECTED = expected_state(POSTS)


def as_read(expected: ExpectedState = EXPECTED) -> ObservedState:
    """What a faithful system gives back."""
    contents = {
        key: {
            **body,
            "user_id": None,
            "search_results": [{**r, "rank": None} for r in body["search_results"]],
            "is_irrelevant": key in expected.irrelevant,
            "events": [event for (owner, _), event in expected.events.items() if owner == key],
        }
        for key, body in expected.sessions.items()
    }
    return ObservedState(
        Counter(expected.sessions.keys()),
        Counter(expected.joined()),
        expected.irrelevant,
        Counter(expected.unjoined()),
        contents,
    )


def test_the_first_post_is_what_is_expected() -> None:
    assert EXPECTED.sessions["a"]["search_query"] == "tent"
    assert EXPECTED.events["a", "e1"]["event_type"] == "click"
    assert EXPECTED.joined() == {("a", "e1"), ("a", "e2"), ("b", "e1")}
    assert EXPECTED.unjoined() == {("lost", "e1")}
    assert EXPECTED.irrelevant == {"b"}


def test_a_faithful_system_is_clean() -> None:
    assert compare(EXPECTED, as_read()).passed


def test_a_lost_session_event_and_mark_are_missing() -> None:
    read = as_read()
    lossy = replace(
        read,
        sessions=Counter({"a": 1}),
        joined=Counter({("a", "e1"): 1, ("b", "e1"): 1}),
        irrelevant=frozenset(),
        unjoined=Counter[tuple[str, str]](),
    )
    assert set(compare(EXPECTED, lossy).missing) == {
        "session b",
        "event ('a', 'e2')",
        "mark b",
        "unjoined event ('lost', 'e1')",
    }


def test_what_comes_twice_is_duplicated() -> None:
    read = as_read()
    read.sessions["a"] += 1
    read.joined["a", "e2"] += 1
    assert set(compare(EXPECTED, read).duplicated) == {"session a", "event ('a', 'e2')"}


def test_the_second_post_read_back_is_altered() -> None:
    read = as_read()
    read.contents["a"]["search_query"] = "changed"
    assert compare(EXPECTED, read).altered == ("session a is not as it was sent",)


def test_a_result_with_another_content_is_altered() -> None:
    read = as_read()
    read.contents["a"]["search_results"][0]["object_id"] = "another"
    assert compare(EXPECTED, read).altered == ("session a is not as it was sent",)


def test_a_shorter_list_of_results_is_altered() -> None:
    read = as_read()
    read.contents["a"]["search_results"].clear()
    assert compare(EXPECTED, read).altered == ("session a is not as it was sent",)


def test_an_event_with_another_content_is_altered() -> None:
    read = as_read()
    changed = [{**event, "event_type": "changed"} for event in read.contents["a"]["events"]]
    read.contents["a"]["events"] = changed
    assert compare(EXPECTED, read).altered == ("session a is not as it was sent",)


def test_what_was_never_sent_is_altered() -> None:
    read = as_read()
    read.sessions["ghost"] += 1
    read.joined["lost", "e1"] += 1
    assert set(compare(EXPECTED, read).altered) == {
        "session ghost was never sent",
        "event ('lost', 'e1') was never joined",
    }


def test_a_session_marked_by_itself_is_altered() -> None:
    read = replace(as_read(), irrelevant=frozenset({"a", "b"}))
    assert "session a was never marked" in compare(EXPECTED, read).altered


def test_a_post_without_an_answer_leaves_its_session_out_of_account() -> None:
    indeterminate = expected_state(POSTS, unanswered=[events("a", "e3")])
    assert set(indeterminate.sessions) == {"b"}
    read = as_read()
    read.joined["a", "e3"] += 1
    assert compare(indeterminate, read).passed


def test_the_rows_count_posts_then_keys() -> None:
    table = {
        row.label: row for row in rows(POSTS, POSTS[:-1], expected_state(POSTS[:-1]), as_read())
    }
    assert table["sent"] == Row("sent", 3, 5, 1)
    assert table["acknowledged"] == Row("acknowledged", 3, 4, 1)
    assert table["of these duplicates"] == Row("of these duplicates", 1, 1, 0)
    assert table["stored"] == Row("stored", 2, 4, 1)
    assert table["irrelevant"].sessions == 1
