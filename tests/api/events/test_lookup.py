"""What became of an event: which answer, when it is certain, and what each caller is told."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from api.component import ReadComponent
from api.events.lookup import EventFinder
from api.events.queries import CountRow, DeadLetterRow, JoinedRow, SearchRow, WaitingRow
from api.events.reader import EventId, EventReader
from api.events.responses import EventLookup
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
    "events_waiting": [CountRow(3)],
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
    assert "as soon as that is posted" in found.meaning
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


def test_rows_of_other_events_of_the_same_ids_are_not_taken_for_it() -> None:
    rows = [JoinedRow("t", "e", "o", "click", 2, 20, 25, 9), *JOINED["event_joined"]]
    store = MemoryStore({**JOINED, "event_joined": rows})
    ids = [EventId("s", "e"), EventId("t", "f")]
    assert set(asyncio.run(EventReader(store, "c.events", 1.0).joined(ids))) == {ids[0]}


def test_an_event_whose_session_is_not_visible_yet_is_looked_for_again() -> None:
    class CatchesUp(FakeReader):
        async def wait_for_events(self, session_id: str) -> None:
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
    component._events = EventReader(MemoryStore(REFUSED), "c.events", 1.0)
    with LocalClient(build_app(KEYS, [component])) as client:
        found = client.get("/events/lookup?session_id=s&event_id=e", headers=headers).json()
    assert found["state"] == "dead_letter"
    letter = found["dead_letter"]
    assert letter["name"] == name
    assert (letter["partition"] is None) == (letter["offset"] is None) == (name is None)


@pytest.mark.parametrize(
    ("key", "status"), [(None, 401), ("x", 401), ("w-key", 403), ("r-key", 422)]
)
def test_it_needs_a_read_key(key: str | None, status: int) -> None:
    component = ReadComponent(NOWHERE, eraser_of(NOWHERE), FakeReader())
    with LocalClient(build_app(NOWHERE, [component])) as client:
        headers = {"X-API-Key": key} if key else {}
        for query in ("", "?session_id=s", "?session_id=s&event_id=%20", "?session_id=s&event_id="):
            assert client.get(f"/events/lookup{query}", headers=headers).status_code == status
        too_long = f"/events/lookup?session_id={'s' * 513}&event_id=e"
        assert client.get(too_long, headers=headers).status_code == status
