"""What became of an event: which answer, when it is certain, and what each caller is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr

from api.component import ReadComponent
from api.events.finder import MOST_MATCHES, EventFinder
from api.events.queries import (
    CountRow,
    DeadLetterRow,
    JoinedRow,
    NamedDeadLetterRow,
    SearchRow,
    WaitingRow,
)
from api.events.reader import EventId, EventReader
from api.events.responses import EventLookup, EventMatches
from api.queries import MarkRow
from clickstream.operations.erasure.eraser import eraser_of
from core.errors import SinkBehind
from core.http.app import build_app
from schemas.codec import Encoder
from schemas.contracts import EVENT
from tests.api.events.memory_store import MemoryStore
from tests.api.test_erase import NOWHERE
from tests.local_client import LocalClient
from tests.producers.write_side import FakeReader

SESSION = {"event_session": [SearchRow("s", "shoes", 10, 15, "2026-11-29", 7)]}
JOINED = {**SESSION, "event_joined": [JoinedRow("s", "e", "o", "click", 2, 20, 25, 7)]}
WAITING = {
    "event_waiting": [WaitingRow("s", "e", "o", "click", 20, 25, 7)],
    "events_waiting": [CountRow("s", 3)],
}
REFUSED = {
    "event_dead_letter": [
        DeadLetterRow("c.events", 3, 1041, 0, 1, "too_many_waiting", "no room", 30)
    ]
}


def find(store: MemoryStore, reader: FakeReader | None = None) -> EventLookup:
    finder = EventFinder(EventReader(store, "c.events", 1.0), reader or FakeReader())
    return asyncio.run(finder.find(EventId("s", "e")))


def test_a_joined_event_has_its_place_and_its_search_and_waits_for_nobody() -> None:
    reader = FakeReader()
    found = find(MemoryStore(JOINED), reader)
    assert found.state == "joined"
    assert found.event is not None
    assert (found.event.object_id, found.event.received_at) == ("o", 25)
    assert found.joined is not None
    assert (found.joined.position, found.joined.results) == (2, 10)
    assert (found.joined.search_query, found.joined.session_created_at) == ("shoes", 15)
    assert reader.waited_for_events == []


def test_the_first_post_is_the_one_that_counts() -> None:
    rows = [JoinedRow("s", "e", *each) for each in (("a", "x", 0, 1, 2, 7), ("b", "x", 0, 1, 2, 6))]
    found = find(MemoryStore({**JOINED, "event_joined": rows}))
    assert found.event is not None
    assert found.event.object_id == "a"
    assert found.joined is not None
    assert found.joined.position is None


def test_a_waiting_event_says_since_when_how_many_and_what_it_waits_for() -> None:
    reader = FakeReader()
    found = find(MemoryStore(WAITING), reader)
    assert found.state == "waiting"
    assert found.waiting is not None
    assert (found.waiting.since, found.waiting.events_waiting) == (25, 3)
    assert found.waiting.session_is_stored is False
    assert 'no search with session_id "s" has been posted' in found.meaning
    assert reader.waited_for_events == ["s"]


def test_an_event_that_waits_for_a_stored_session_is_told_who_will_join_it() -> None:
    found = find(MemoryStore({**WAITING, **SESSION}))
    assert found.waiting is not None
    assert found.waiting.session_is_stored is True
    assert "clean-up" in found.meaning


def test_a_refused_event_has_the_name_of_its_dead_letter() -> None:
    found = find(MemoryStore(REFUSED))
    assert (found.state, found.event) == ("dead_letter", None)
    assert found.dead_letter is not None
    assert found.dead_letter.name == "c.events/3@1041"
    assert found.dead_letter.reason == "too_many_waiting"


def test_an_event_that_is_in_two_places_is_told_by_the_better_one() -> None:
    assert find(MemoryStore({**WAITING, **REFUSED})).state == "waiting"
    assert find(MemoryStore({**JOINED, **WAITING, **REFUSED})).state == "joined"


@pytest.mark.parametrize("rows", [{}, WAITING, REFUSED])
def test_whatever_a_late_sink_could_change_is_not_told(rows: dict[str, list[object]]) -> None:
    reader = FakeReader()
    reader.doubt_of_absence = SinkBehind("the sink has not caught up")
    with pytest.raises(SinkBehind):
        find(MemoryStore(rows), reader)


def test_nothing_found_once_the_sink_has_caught_up_was_never_seen() -> None:
    reader = FakeReader()
    assert find(MemoryStore(), reader).state == "never_seen"
    assert reader.waited_for_events == ["s"]


@pytest.mark.parametrize("moment", ["event_waiting", "event_dead_letter"])
def test_an_event_that_is_joined_while_it_is_looked_for_is_met_all_the_same(moment: str) -> None:
    store = MemoryStore(WAITING)

    def adopt() -> None:
        store.tables = dict(JOINED)

    store.after[moment] = adopt
    assert find(store).state == "joined"


def test_an_event_of_a_session_that_is_marked_counts_nowhere_and_is_told_so() -> None:
    marks = [MarkRow("s", False, 1), MarkRow("s", True, 2)]
    found = find(MemoryStore({**JOINED, "session_marks": marks}))
    assert found.joined is not None
    assert found.joined.session_is_irrelevant
    assert "counts in no number" in found.meaning


@pytest.mark.parametrize(
    ("posted", "stored"),
    [
        ("Sess-1", "sess-1"),
        ("sess-1", "SESS-1"),
        ('"sess-1" ', "sess-1"),
        ("0f8fad5bd9cb469fa16570867728950e", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("0F8FAD5B-D9CB-469F-A165-70867728950E", "0f8fad5bd9cb469fa16570867728950e"),
    ],
)
def test_a_stored_session_whose_id_is_nearly_the_same_is_named(posted: str, stored: str) -> None:
    class OnlyThat(MemoryStore):
        async def rows(self, query: Any, seconds: float, **values: Any) -> Any:
            rows = await super().rows(query, seconds, **values)
            return [row for row in rows if row.session_id in values.get("session_ids", ())]

    store = OnlyThat(
        {
            "event_waiting": [WaitingRow(posted, "e", "o", "click", 20, 25, 7)],
            "event_session": [SearchRow(stored, "shoes", 10, 15, "2026-11-29", 7)],
        }
    )
    finder = EventFinder(EventReader(store, "c.events", 1.0), FakeReader())
    found = asyncio.run(finder.find(EventId(posted, "e")))
    assert found.waiting is not None
    assert found.waiting.similar_session_id == stored
    assert found.waiting.session_is_stored is False
    assert stored in found.meaning


def find_named(store: MemoryStore, reader: FakeReader | None = None) -> EventMatches:
    finder = EventFinder(EventReader(store, "c.events", 1.0), reader or FakeReader())
    return asyncio.run(finder.find_named("e", 5_000_000))


def waiting(session_id: str, at: int = 25) -> WaitingRow:
    return WaitingRow(session_id, "e", "o", "click", 20, at, 7)


def refused(session_id: str, offset: int = 1041) -> NamedDeadLetterRow:
    letter = ("c.events", 3, offset, 0, 1, "too_many_waiting", "no room", 30)
    return NamedDeadLetterRow(*letter, session_id=session_id)


def test_an_event_id_alone_finds_every_event_of_it_in_all_states() -> None:
    reader = FakeReader()
    store = MemoryStore(
        {
            **SESSION,
            "event_named": JOINED["event_joined"],
            "event_waiting_named": [waiting("t"), waiting("s")],
            "events_waiting": [CountRow("t", 2)],
            "event_dead_letters_named": [refused("u"), refused("u", 7), refused("t")],
        }
    )
    found = find_named(store, reader)
    told = [(each.session_id, each.state) for each in found.matches]
    assert told == [("t", "waiting"), ("u", "dead_letter"), ("s", "joined")]
    assert {each.event_id for each in found.matches} == {"e"}
    assert (found.searched_from, found.has_more) == (5_000_000, False)
    (told_waiting, told_refused, _) = found.matches
    assert told_waiting.waiting is not None
    assert (told_waiting.waiting.events_waiting, told_waiting.waiting.since) == (2, 25)
    assert told_refused.dead_letter is not None
    assert told_refused.dead_letter.name == "c.events/3@1041"
    assert reader.waited_for_events == [None]
    hours = [values["from_hour"] for values in store.values if "from_hour" in values]
    assert hours == [5_000_000 // 3_600_000]


def test_nothing_of_an_event_id_is_told_while_the_sink_is_behind() -> None:
    reader = FakeReader()
    reader.doubt_of_absence = SinkBehind("the sink has not caught up")
    with pytest.raises(SinkBehind):
        find_named(MemoryStore(), reader)


def test_an_event_id_that_nothing_has_is_said_to_have_been_sent_by_nobody() -> None:
    found = find_named(MemoryStore())
    assert (found.matches, found.has_more) == ([], False)
    assert "not sent" in found.meaning


def test_of_an_event_id_that_many_have_the_first_are_told() -> None:
    rows = [waiting(f"t{n}") for n in range(MOST_MATCHES + 1)]
    found = find_named(MemoryStore({"event_waiting_named": rows}))
    assert [each.session_id for each in found.matches] == [f"t{n}" for n in range(MOST_MATCHES)]
    assert found.has_more


def test_rows_of_other_events_of_the_same_ids_are_not_taken_for_it() -> None:
    rows = [JoinedRow("t", "e", "o", "click", 2, 20, 25, 9), *JOINED["event_joined"]]
    store = MemoryStore({**JOINED, "event_joined": rows})
    ids = [EventId("s", "e"), EventId("t", "f")]
    assert set(asyncio.run(EventReader(store, "c.events", 1.0).joined(ids))) == {ids[0]}


def test_an_event_whose_session_is_not_visible_yet_is_looked_for_again() -> None:
    class CatchesUp(FakeReader):
        async def wait_for_events(self, session_id: str | None) -> None:
            await super().wait_for_events(session_id)
            store.tables = dict(JOINED)

    store = MemoryStore({**JOINED, "event_session": []})
    assert find(store, CatchesUp()).state == "joined"


@pytest.mark.parametrize("ids", [("s", "e"), ("s" * 64, "é" * 200), ("\x00\\'", "\t\n")])
def test_dead_letters_are_found_by_the_first_bytes_of_their_avro(ids: tuple[str, str]) -> None:
    session_id, event_id = ids
    store = MemoryStore()
    asyncio.run(EventReader(store, "c.events", 1.0).dead_letter(EventId(session_id, event_id)))
    (values,) = [v for v in store.values if "ids_hex" in v]
    record = {
        **{"session_id": session_id, "event_id": event_id, "object_id": "o"},
        **{"created_at": 1, "received_at": 2},
    }
    assert Encoder(EVENT, 7).encode(record)[5:].startswith(bytes.fromhex(values["ids_hex"]))


PAGE = "https://shop.example"
KEYS = NOWHERE.model_copy(
    update={"read_keys": (SecretStr("r-key"), SecretStr(f"page-key;origins={PAGE}"))}
)


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"X-API-Key": "r-key"}, "c.events/3@1041"),
        ({"X-API-Key": "page-key", "Origin": PAGE}, None),
    ],
)
def test_a_key_that_stands_in_a_page_is_told_no_offset(
    headers: dict[str, str], name: str | None
) -> None:
    component = ReadComponent(KEYS, eraser_of(KEYS), FakeReader())
    rows = {**REFUSED, "event_dead_letters_named": [refused("s")]}
    component._events = EventReader(MemoryStore(rows), "c.events", 1.0)
    with LocalClient(build_app(KEYS, [component])) as client:
        found = client.get("/events/lookup?session_id=s&event_id=e", headers=headers).json()
        named = client.get("/events/lookup?event_id=e", headers=headers).json()
    for told in (found, *named["matches"]):
        assert told["state"] == "dead_letter"
        letter = told["dead_letter"]
        assert letter["name"] == name
        assert (letter["partition"] is None) == (letter["offset"] is None) == (name is None)


def test_days_are_for_a_look_up_without_a_session() -> None:
    component = ReadComponent(NOWHERE, eraser_of(NOWHERE), FakeReader())
    store = MemoryStore()
    component._events = EventReader(store, "c.events", 1.0)
    headers = {"X-API-Key": "r-key"}
    with LocalClient(build_app(NOWHERE, [component])) as client:
        both = client.get("/events/lookup?session_id=s&event_id=e&days=9", headers=headers)
        assert both.status_code == 422
        assert both.json()["errors"][0]["path"] == "query.days"
        froms = [
            client.get(f"/events/lookup?event_id=e{days}", headers=headers).json()["searched_from"]
            for days in ("", "&days=9")
        ]
    assert 1.9 < (froms[0] - froms[1]) / 86_400_000 < 2.1


@pytest.mark.parametrize(
    ("key", "status"), [(None, 401), ("x", 401), ("w-key", 403), ("r-key", 422)]
)
def test_it_needs_a_read_key(key: str | None, status: int) -> None:
    component = ReadComponent(NOWHERE, eraser_of(NOWHERE), FakeReader())
    with LocalClient(build_app(NOWHERE, [component])) as client:
        headers = {"X-API-Key": key} if key else {}
        for query in ("", "?session_id=s", "?session_id=s&event_id=%20", "?event_id="):
            assert client.get(f"/events/lookup{query}", headers=headers).status_code == status
        too_long = f"/events/lookup?session_id={'s' * 513}&event_id=e"
        assert client.get(too_long, headers=headers).status_code == status
