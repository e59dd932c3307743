"""GET /session on real engines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.api.stored import NOON_MS, Event, Mark, Search, World, store

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from core.settings import Settings

pytestmark = pytest.mark.engines

EXAMPLE = Search(
    "sess-123",
    "transformer optimization",
    (("obj-1", 1.0, '{"source": "hf_models", "score": 0.92}'),),
    created_at=1701012345678,
    search_meta='{"latency_ms": 450}',
    payload_filter='{"task": "text-classification"}',
    sort_by='{"field": "downloads", "order": "desc"}',
    user_id="user-456",
)


def test_session_of_the_documentation_comes_back_complete(
    read_settings: Settings, client: TestClient
) -> None:
    click = Event(EXAMPLE, "evt-1", "obj-1", "click", 1701012350000, '{"rank_position": 1}')
    store(read_settings, World((EXAMPLE,), (click,)))
    answer = client.get("/session", params={"session_id": "sess-123"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "session_id": "sess-123",
        "search_query": "transformer optimization",
        "search_results": [
            {
                "object_id": "obj-1",
                "rank": 1.0,
                "meta": {"source": "hf_models", "score": 0.92},
            }
        ],
        "search_meta": {"latency_ms": 450},
        "payload_filter": {"task": "text-classification"},
        "sort_by": {"field": "downloads", "order": "desc"},
        "user_id": "user-456",
        "created_at": 1701012345678,
        "is_irrelevant": False,
        "events": [
            {
                "event_id": "evt-1",
                "object_id": "obj-1",
                "event_type": "click",
                "created_at": 1701012350000,
                "position": 1,
                "meta": {"rank_position": 1},
            }
        ],
    }


def test_json_comes_back_as_the_text_that_was_sent(
    read_settings: Settings, client: TestClient
) -> None:
    odd = '{"z": 18446744073709551616, "a": 1, "b": 1.0, "c": [null, "é\\u0000\\ud83d\\ude00"]}'
    results = (("x", 1.0, odd), ("y", None, "null"), ("z", 0.1 + 0.2, None))
    search = Search("s", "ünïcode \t\n\0 😀", results, search_meta=odd, payload_filter="{}")
    store(read_settings, World((search,), (Event(search, "e", "x", meta=odd),)))
    answer = client.get("/session", params={"session_id": "s"})
    assert answer.text.count(odd) == 3
    body = json.loads(answer.text)
    assert body["search_query"] == "ünïcode \t\n\0 😀"
    assert [result["rank"] for result in body["search_results"]] == [1.0, None, 0.1 + 0.2]
    assert '"rank":1.0,' in answer.text
    assert [body["search_meta"], body["payload_filter"], body["sort_by"]] == [
        json.loads(odd),
        {},
        None,
    ]


def test_fields_that_were_not_sent_come_back_as_null(
    read_settings: Settings, client: TestClient
) -> None:
    search = Search("bare", results=(("a", None, None),))
    store(read_settings, World((search,), (Event(search, "e"),)))
    body = client.get("/session", params={"session_id": "bare"}).json()
    assert body["search_results"] == [{"object_id": "a", "rank": None, "meta": None}]
    for name in ("search_meta", "payload_filter", "sort_by", "user_id"):
        assert body[name] is None
    assert body["events"][0]["meta"] is None


def test_session_without_results_and_events_has_empty_lists(
    read_settings: Settings, client: TestClient
) -> None:
    store(read_settings, World((Search("none", results=()),)))
    body = client.get("/session", params={"session_id": "none"}).json()
    assert body["search_results"] == []
    assert body["events"] == []


def test_first_post_wins_and_each_event_comes_once(
    read_settings: Settings, client: TestClient
) -> None:
    first = Search("dup", "first", offset=3)
    store(read_settings, World((Search("dup", "second", offset=9),)))
    store(read_settings, World((first, Search("other")), (Event(first, "e", meta="2", offset=8),)))
    store(read_settings, World((first,), (Event(first, "e", meta="1", offset=5),)))
    body = client.get("/session", params={"session_id": "dup"}).json()
    assert body["search_query"] == "first"
    assert [event["meta"] for event in body["events"]] == [1]


def test_events_come_by_time_then_by_arrival(read_settings: Settings, client: TestClient) -> None:
    search = Search("order")
    at = {"z": (2, 5), "b": (1, 9), "a": (1, 10), "c": (3, 1)}
    events = tuple(
        Event(search, name, created_at=NOON_MS + late, offset=offset)
        for name, (late, offset) in at.items()
    )
    store(read_settings, World((search,), events))
    body = client.get("/session", params={"session_id": "order"}).json()
    assert [event["event_id"] for event in body["events"]] == ["b", "a", "z", "c"]


def test_object_that_was_never_listed_has_no_position(
    read_settings: Settings, client: TestClient
) -> None:
    search = Search("list", results=(("a", None, None), ("b", None, None)))
    events = (Event(search, "1", "b"), Event(search, "2", "elsewhere", created_at=NOON_MS + 2_000))
    store(read_settings, World((search,), events))
    body = client.get("/session", params={"session_id": "list"}).json()
    assert [event["position"] for event in body["events"]] == [2, None]


def test_last_mark_decides_and_the_session_is_still_answered(
    read_settings: Settings, client: TestClient
) -> None:
    marks = (Mark("m", offset=1), Mark("back", offset=1), Mark("back", False, offset=2))
    store(read_settings, World((Search("m"), Search("back")), marks=marks))
    flags = [
        client.get("/session", params={"session_id": name}).json()["is_irrelevant"]
        for name in ("m", "back")
    ]
    assert flags == [True, False]


def test_session_far_from_its_receipt_is_found_with_its_events(
    read_settings: Settings, client: TestClient
) -> None:
    search = Search("old", created_at=915148800000, overflow=True)
    store(read_settings, World((search,), (Event(search, "e"),)))
    body = client.get("/session", params={"session_id": "old"}).json()
    assert body["created_at"] == 915148800000
    assert len(body["events"]) == 1


def test_session_with_only_unjoined_events_is_not_found(
    read_settings: Settings, client: TestClient
) -> None:
    store(read_settings, World(unjoined=(Event(Search("ghost"), "e"),)))
    answer = client.get("/session", params={"session_id": "ghost"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:clickstream:problem:session-not-found"


@pytest.mark.parametrize(
    "session_id",
    ["tab\there", "line\nbreak", "back\\slash", "quo'te\"", "nul\0", "{a:String}", "\\N"],
)
def test_any_id_is_stored_text_and_nothing_else(
    read_settings: Settings, client: TestClient, session_id: str
) -> None:
    store(read_settings, World((Search(session_id),)))
    answer = client.get("/session", params={"session_id": session_id})
    assert answer.json()["session_id"] == session_id


@pytest.mark.parametrize(
    "params", [{}, {"session_id": ""}, {"session_id": " "}, {"session_id": "x" * 513}]
)
def test_impossible_id_is_refused(client: TestClient, params: dict[str, str]) -> None:
    answer = client.get("/session", params=params)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "query.session_id"


@pytest.mark.parametrize(
    "token", ["nonsense", "{topic}/99@0", "elsewhere.sessions/0@0", "{topic}/0@0"]
)
def test_position_that_no_write_returned_is_refused(
    read_settings: Settings, client: TestClient, token: str
) -> None:
    topic = read_settings.topics.prefix + "sessions"
    answer = client.get(
        "/session",
        params={"session_id": "x"},
        headers={"Clickstream-Position": token.replace("{topic}", topic)},
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "Clickstream-Position"
