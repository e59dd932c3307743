"""GET /events/lookup on real engines."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from core.clickhouse.client import connect
from schemas.codec import Encoder
from schemas.contracts import EVENT
from schemas.topics import Topics
from tests.api.stored import DAY_MS, NOON_MS, Event, Search, World, store

if TYPE_CHECKING:
    from core.settings import Settings
    from tests.local_client import LocalClient

pytestmark = pytest.mark.engines

SEARCH = Search("s", "shoes", (("a", None, None), ("b", None, None)))
LONG, ODD = "é" * 200, "'; --\x00\\N\t"


def look_up(client: LocalClient, session_id: str, event_id: str) -> Any:
    ids = {"session_id": session_id, "event_id": event_id}
    answer = client.get("/events/lookup", params=ids)
    assert answer.status_code == 200, answer.text
    assert {name: answer.json()[name] for name in ids} == ids
    return answer.json()


def refuse(settings: Settings, rows: list[dict[str, Any]]) -> None:
    """Dead letters, as a worker stores them."""
    common = {"reason": "too_many_waiting", "error": "no room", "failed_at": datetime.now(UTC)}
    columns = [
        "topic",
        "partition",
        "offset",
        "key",
        "value",
        "attempt",
        "first_offset",
        "epoch",
        *common,
    ]
    with connect(settings) as client:
        client.command("TRUNCATE TABLE dead_letters")
        client.insert(
            "dead_letters",
            [
                [
                    {**common, "partition": 3, "attempt": 1, "epoch": 0, **row}[name]
                    for name in columns
                ]
                for row in rows
            ],
            column_names=columns,
        )


def avro(session_id: str, event_id: str) -> bytes:
    record = {"object_id": "o", "created_at": NOON_MS, "received_at": NOON_MS}
    return Encoder(EVENT, 7).encode({"session_id": session_id, "event_id": event_id, **record})


def test_each_state_and_where_each_is_told_from(
    read_settings: Settings, client: LocalClient
) -> None:
    waits = Event(Search("late"), "e")
    store(
        read_settings,
        World(
            (SEARCH,),
            (Event(SEARCH, "e", "b"), Event(SEARCH, "f", "never-listed")),
            unjoined=(waits, Event(Search("late"), "f"), Event(SEARCH, "missed")),
        ),
    )
    joined = look_up(client, "s", "e")
    assert joined["state"] == "joined"
    assert joined["event"] == {
        "object_id": "b",
        "event_type": "click",
        "created_at": NOON_MS + 1_000,
        "received_at": joined["event"]["received_at"],
    }
    assert joined["joined"] == {
        "position": 2,
        "results": 2,
        "search_query": "shoes",
        "session_created_at": NOON_MS,
        "session_is_irrelevant": False,
    }
    assert look_up(client, "s", "f")["joined"]["position"] is None
    waiting = look_up(client, "late", "e")
    assert waiting["state"] == "waiting"
    assert waiting["waiting"]["events_waiting"] == 2
    assert waiting["waiting"]["session_is_stored"] is False
    assert look_up(client, "s", "missed")["waiting"]["session_is_stored"] is True
    assert look_up(client, "s", "g")["state"] == "never_seen"
    assert look_up(client, "e", "s")["state"] == "never_seen"


def test_an_event_id_alone_finds_what_waits_under_a_wrong_session_id(
    read_settings: Settings, client: LocalClient
) -> None:
    now = time.time_ns() // 1_000_000
    searches = [Search(f"s{n}", created_at=now - n * 1_000) for n in range(3)]
    old = Search("old", created_at=now - 20 * DAY_MS)
    wrong = Search("S1")
    joined = [Event(each, "e", created_at=now) for each in (*searches, old)]
    waits = (Event(wrong, "e"), Event(wrong, "f"), Event(Search("lost"), "g"))
    # Some of them came twice.
    store(read_settings, World((*searches, old), (*joined, *joined), unjoined=(*waits, waits[0])))
    refuse(read_settings, [])

    def told(**more: str) -> list[tuple[str, str]]:
        answer = client.get("/events/lookup", params={"event_id": "e", **more})
        assert answer.status_code == 200, answer.text
        return [(each["state"], each["session_id"]) for each in answer.json()["matches"]]

    of_a_week = [("joined", "s0"), ("joined", "s1"), ("joined", "s2")]
    first = ("waiting", "S1")
    assert (told()[0], sorted(told()[1:])) == (first, of_a_week)
    assert told(days="30")[-1] == ("joined", "old")
    (matches,) = [client.get("/events/lookup", params={"event_id": "f"}).json()["matches"]]
    assert matches[0]["waiting"]["similar_session_id"] == "s1"
    assert client.get("/events/lookup", params={"event_id": "x"}).json()["matches"] == []

    pages, cursor = [], ""
    while cursor is not None:
        page = client.get("/events/waiting", params={"limit": 1, "cursor": cursor}).json()
        pages += page["events"]
        cursor = page["next"]
    assert sorted((each["session_id"], each["event_id"]) for each in pages) == [
        ("S1", "e"),
        ("S1", "f"),
        ("lost", "g"),
    ]
    assert [each["session_is_stored"] for each in pages] == [False] * 3


@pytest.mark.parametrize(("session_id", "event_id"), [("s", "e"), (LONG, ODD), (ODD, LONG)])
def test_a_dead_letter_is_found_by_the_ids_in_its_bytes(
    read_settings: Settings, client: LocalClient, session_id: str, event_id: str
) -> None:
    topics = Topics.from_settings(read_settings)
    row = {"topic": topics.events, "key": session_id}
    again = {"value": avro(session_id, event_id), "first_offset": 1}
    refuse(
        read_settings,
        [
            {**row, **again, "offset": 1},
            {**row, **again, "offset": 9, "attempt": 2, "reason": "wrong_key", "key": None},
            {**row, "offset": 2, "first_offset": 2, "value": avro(session_id, "other")},
            {**row, "offset": 3, "first_offset": 3, "value": b"not Avro"},
            {**row, "offset": 4, "first_offset": 4, "value": None},
            {**row, **again, "topic": topics.sessions, "offset": 5, "first_offset": 5},
        ],
    )
    found = look_up(client, session_id, event_id)
    assert found["state"] == "dead_letter"
    letter = found["dead_letter"]
    assert letter["name"] == f"{topics.events}/3@1"
    assert (letter["partition"], letter["offset"], letter["attempt"]) == (3, 1, 2)
    assert letter["reason"] == "wrong_key"
    assert look_up(client, session_id, event_id + "x")["state"] == "never_seen"
    (named,) = client.get("/events/lookup", params={"event_id": event_id}).json()["matches"]
    assert named == found


def test_of_topics_that_were_made_anew_the_latest_dead_letter_counts(
    read_settings: Settings, client: LocalClient
) -> None:
    topic = Topics.from_settings(read_settings).events
    row = {"topic": topic, "key": "s", "value": avro("s", "e"), "offset": 1, "first_offset": 1}
    refuse(read_settings, [{**row, "epoch": 1}, {**row, "attempt": 7}])
    letter = look_up(client, "s", "e")["dead_letter"]
    assert (letter["name"], letter["attempt"]) == (f"{topic}/3@1~1", 1)
