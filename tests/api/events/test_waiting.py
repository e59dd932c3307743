"""The list of waiting events: its order, its pages, and the sentence of each."""

from __future__ import annotations

import pytest

from api.component import ReadComponent
from api.events.queries import SearchRow, WaitingRow
from api.events.reader import EventReader
from api.metrics.cursors import Place, write_cursor
from clickstream.operations.erasure.eraser import eraser_of
from core.http.app import build_app
from tests.api.events.memory_store import MemoryStore
from tests.api.test_erase import NOWHERE
from tests.local_client import LocalClient
from tests.producers.write_side import FakeReader

ROWS = [
    WaitingRow("lost", "e1", "a", "click", 20, 27, 7),
    WaitingRow("missed", "e2", "b", "buy", 21, 26, 7),
    WaitingRow("lost", "e3", "a", "click", 20, 25, 7),
]
STORED = [SearchRow("missed", "shoes", 10, 15, "2026-11-29", 7)]
ODD = "\x00'; --é\n"


def ask(store: MemoryStore, query: str, key: str = "r-key") -> tuple[int, dict[str, object]]:
    component = ReadComponent(NOWHERE, eraser_of(NOWHERE), FakeReader())
    component._events = EventReader(store, "c.events", 1.0)
    with LocalClient(build_app(NOWHERE, [component])) as client:
        answer = client.get(f"/events/waiting{query}", headers={"X-API-Key": key})
        return answer.status_code, answer.json()


def test_each_says_why_it_waits_and_what_ends_that() -> None:
    store = MemoryStore({"events_waiting_latest": ROWS, "event_session": STORED})
    status, told = ask(store, "")
    assert (status, told["next"]) == (200, None)
    events = told["events"]
    assert isinstance(events, list)
    assert [each["event_id"] for each in events] == ["e1", "e2", "e3"]
    assert [each["session_is_stored"] for each in events] == [False, True, False]
    lost = 'no search with session_id "lost" has been posted; the event waits until one is'
    assert events[0]["meaning"] == lost
    assert "within ten minutes" in events[1]["meaning"]


@pytest.mark.parametrize("ids", [("lost", "e3"), (ODD, "e" * 512)])
def test_a_page_begins_behind_the_last_row_of_the_one_before(ids: tuple[str, str]) -> None:
    rows = [*ROWS[:1], WaitingRow(*ids, "o", "click", 20, 25, 7), ROWS[1]]
    store = MemoryStore({"events_waiting_latest": rows})
    _, told = ask(store, "?limit=2")
    assert len(told["events"]) == 2  # type: ignore[arg-type]  # a list
    ask(store, f"?limit=2&cursor={told['next']}")
    behind = next(v for v in reversed(store.values) if "after_ms" in v)
    assert (behind["after_ms"], behind["rows"]) == (25, 3)
    assert bytes.fromhex(behind["after_session_hex"]).decode() == ids[0]
    assert bytes.fromhex(behind["after_event_hex"]).decode() == ids[1]


@pytest.mark.parametrize(
    "cursor", ["x", write_cursor("other", Place(1, None, '["a","b"]')),
               write_cursor("/events/waiting", Place(1, None, "no ids"))],
)  # fmt: skip
def test_what_is_no_cursor_of_this_list_is_refused(cursor: str) -> None:
    status, told = ask(MemoryStore(), f"?cursor={cursor}")
    assert (status, told["errors"][0]["path"]) == (422, "query.cursor")  # type: ignore[index]


@pytest.mark.parametrize(("key", "status"), [("x", 401), ("w-key", 403), ("r-key", 200)])
def test_it_needs_a_read_key(key: str, status: int) -> None:
    assert ask(MemoryStore(), "", key)[0] == status
