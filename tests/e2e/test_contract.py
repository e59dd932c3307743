"""What the API's documentation says, on real engines."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from tests.e2e.examples import EVENTS, MARK, SESSION
from tests.e2e.process_pair import ProcessPair

pytestmark = pytest.mark.engines


def fresh() -> str:
    return f"sess-{uuid.uuid4().hex[:12]}"


def session(session_id: str, **fields: Any) -> dict[str, Any]:
    """The least that a session must have, and what a test adds."""
    return {"session_id": session_id, "search_query": "q", "search_results": [], **fields}


def event(event_id: str, **fields: Any) -> dict[str, Any]:
    return {"event_id": event_id, "object_id": "o", "created_at": 1701012350000, **fields}


def test_the_documented_examples_from_post_to_mark(pair: ProcessPair) -> None:
    created = pair.post("/session", SESSION)
    assert (created.status_code, created.json()) == (200, {"session_id": "sess-123", "accepted": 1})
    pushed = pair.post("/session/events", EVENTS)
    assert (pushed.status_code, pushed.json()) == (200, {"session_id": "sess-123", "accepted": 1})

    read = pair.get_session("sess-123")
    result, interaction = read["search_results"][0], read["events"][0]
    assert {name: read[name] for name in SESSION if name != "search_results"} == {
        name: SESSION[name] for name in SESSION if name != "search_results"
    }
    assert result == SESSION["search_results"][0]
    assert isinstance(result["rank"], float)
    assert {name: interaction[name] for name in EVENTS["events"][0]} == EVENTS["events"][0]
    assert read["is_irrelevant"] is False

    marked = pair.post("/session/irrelevant", MARK)
    assert marked.status_code == 200
    assert marked.json() == {"session_id": "sess-123", "is_irrelevant": True}
    assert pair.get_session("sess-123")["is_irrelevant"] is True


def test_the_old_prefix_reaches_the_same_endpoints(pair: ProcessPair) -> None:
    prefix, session_id = "/api/v1/clickstream", fresh()
    assert pair.post(f"{prefix}/session", session(session_id)).status_code == 200
    events = {"session_id": session_id, "events": [event("e")]}
    assert pair.post(f"{prefix}/session/events", events).status_code == 200
    read = pair.get(f"{prefix}/session", session_id=session_id)
    assert [e["event_id"] for e in read.json()["events"]] == ["e"]
    assert pair.post(f"{prefix}/session/irrelevant", {"session_id": session_id}).status_code == 200


def test_what_is_left_out_is_stamped_defaulted_or_null(pair: ProcessPair) -> None:
    session_id, before = fresh(), int(time.time() * 1000)
    pair.post("/session", session(session_id, search_results=[{"object_id": "o"}]))
    pair.post("/session/events", {"session_id": session_id, "events": [event("e")]})
    read = pair.get_session(session_id)
    assert before <= read["created_at"] <= int(time.time() * 1000)
    assert read["search_results"][0]["rank"] is None
    assert read["user_id"] is None
    assert read["search_meta"] is None
    assert read["events"][0]["event_type"] == "click"


def test_metas_come_back_as_the_json_that_was_sent(pair: ProcessPair) -> None:
    session_id = fresh()
    meta = {"z": [1, 1.5, None, {"雨": "☂", "big": 9007199254740993}], "a": -0.25, "t": True}
    results = [{"object_id": "b", "rank": -3, "meta": meta}, {"object_id": "a", "rank": 1e300}]
    pair.post("/session", session(session_id, search_results=results, search_meta=meta))
    read = pair.get_session(session_id)
    assert [r["object_id"] for r in read["search_results"]] == ["b", "a"]
    assert read["search_results"][0]["meta"] == read["search_meta"] == meta
    assert list(read["search_meta"]) == ["z", "a", "t"]


def test_the_first_session_wins(pair: ProcessPair) -> None:
    session_id = fresh()
    pair.post("/session", session(session_id, search_query="first"))
    again = pair.post("/session", session(session_id, search_query="second", user_id="u"))
    assert again.status_code == 200
    read = pair.get_session(session_id)
    assert (read["search_query"], read["user_id"]) == ("first", None)


def test_the_first_event_wins(pair: ProcessPair) -> None:
    session_id = fresh()
    pair.post("/session", session(session_id))
    both = [event("e", event_type="first"), event("e", event_type="within the request")]
    pair.post("/session/events", {"session_id": session_id, "events": both})
    later = [event("e", event_type="later"), event("f")]
    pair.post("/session/events", {"session_id": session_id, "events": later})
    read = pair.get_session(session_id)
    assert {e["event_id"]: e["event_type"] for e in read["events"]} == {"e": "first", "f": "click"}


def test_events_before_their_session_are_joined_when_it_comes(pair: ProcessPair) -> None:
    session_id = fresh()
    pair.post("/session/events", {"session_id": session_id, "events": [event("e")]})
    assert pair.get("/session", session_id=session_id).status_code == 404
    pair.post("/session", session(session_id, search_results=[{"object_id": "o"}]))
    assert [e["event_id"] for e in pair.get_session(session_id)["events"]] == ["e"]


def test_a_list_that_is_posted_when_it_is_complete_gives_clicks_on_each_page_their_place(
    pair: ProcessPair,
) -> None:
    session_id = fresh()
    for number in (3, 25):  # on pages of twenty, while the user scrolls
        click = event(f"e{number}", object_id=f"o{number}")
        pair.post("/session/events", {"session_id": session_id, "events": [click]})
    whole = [{"object_id": f"o{number}"} for number in range(1, 41)]
    pair.post("/session", session(session_id, search_results=whole))
    late = event("late", object_id="o40")
    pair.post("/session/events", {"session_id": session_id, "events": [late]})
    read = pair.get_session(session_id)
    assert {e["event_id"]: e["position"] for e in read["events"]} == {
        **{"e3": 3, "e25": 25},
        "late": 40,
    }


def test_a_second_page_under_the_same_id_is_told_that_it_is_ignored(pair: ProcessPair) -> None:
    session_id = fresh()
    pair.post("/session", session(session_id, search_results=[{"object_id": "a"}]))
    second = pair.post("/session", session(session_id, search_results=[{"object_id": "b"}]))
    assert second.json()["ignored"] == ["$"]
    assert "first post stands" in second.json()["note"]
    assert [each["object_id"] for each in pair.get_session(session_id)["search_results"]] == ["a"]


def test_one_event_can_be_looked_up_from_before_its_post_to_its_session(pair: ProcessPair) -> None:
    ids = {"session_id": fresh(), "event_id": "e"}

    def look_up() -> Any:
        answer = pair.get_at_once("/events/lookup", **ids)  # without a position
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert look_up()["state"] == "never_seen"
    session_id = ids["session_id"]
    pair.post("/session/events", {"session_id": session_id, "events": [event("e"), event("f")]})
    waiting = look_up()
    assert waiting["state"] == "waiting"
    assert waiting["waiting"]["events_waiting"] == 2
    results = [{"object_id": "first"}, {"object_id": "o"}]
    pair.post("/session", session(session_id, search_results=results))
    found = look_up()
    assert found["state"] == "joined"
    assert found["event"]["object_id"] == "o"
    assert found["joined"]["position"] == 2
    assert found["joined"]["results"] == 2


def test_an_irrelevant_session_leaves_analytics_and_export(pair: ProcessPair) -> None:
    session_id, created_at = fresh(), 1_600_000_000_000
    pair.post("/session", session(session_id, created_at=created_at))
    window = {"from": created_at, "to": created_at + 1}
    assert pair.get("/analytics/overview", **window).json()["sessions"] == 1
    assert session_id in pair.get("/export/sessions", **window).text
    pair.post("/session/irrelevant", {"session_id": session_id})
    pair.post("/session/events", {"session_id": session_id, "events": [event("later")]})
    overview = pair.get("/analytics/overview", **window).json()
    assert (overview["sessions"], overview["events"]) == (0, 0)
    assert pair.get("/export/sessions", **window).text == ""
    assert pair.get("/analytics/queries", **window).json()["queries"] == []
    assert pair.get("/analytics/positions", **window).json()["positions"] == []


@pytest.mark.parametrize("session_id", ["never-posted", "' OR 1=1 --", "雨" * 10])
def test_unknown_sessions_are_404(pair: ProcessPair, session_id: str) -> None:
    for answer in (
        pair.get("/session", session_id=session_id),
        pair.post("/session/irrelevant", {"session_id": session_id}),
    ):
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_session_just_acknowledged_is_never_404(pair: ProcessPair) -> None:
    for _ in range(20):
        session_id = fresh()
        pair.post("/session", session(session_id))
        # Without the position token: the miss itself must wait.
        answer = pair.get_at_once("/session", session_id=session_id)
        assert answer.status_code == 200
