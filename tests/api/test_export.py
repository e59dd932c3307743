"""GET /export/sessions: every selected session once, or visibly not all of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort

from api.export import MEDIA_TYPE, ndjson
from api.queries import Query, SessionRow
from api.selection import Relevance, Selection
from core.errors import SinkUnavailable, TooManyExports
from tests.api import reference
from tests.api.reference import Asked
from tests.api.stored import DAY_MS, NOON_MS, Event, Mark, Search, World, empty, store
from tests.api.worlds import asked, worlds
from tests.examples import examples

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from core.settings import Settings

Row = TypeVar("Row")
EVERYTHING = Selection(None, None, Relevance.INCLUDE)


def export(client: TestClient, **params: str) -> list[dict[str, Any]]:
    answer = client.get("/export/sessions", params=params)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.text == "" or answer.text.endswith("\n")
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.engines
def test_line_is_what_get_session_answers(read_settings: Settings, client: TestClient) -> None:
    odd = '{"z": 18446744073709551616, "a": [1, 1.0, "\\u2028"]}'
    first = Search("a", results=(("x", 1.0, odd), ("y", None, None)), search_meta=odd)
    second = Search("b", "ünï", (), created_at=NOON_MS + DAY_MS, user_id="ann")
    events = (Event(first, "2", "y"), Event(first, "1", created_at=NOON_MS, meta=odd))
    store(read_settings, World((first, second), events, (Mark("b"),)))
    lines = client.get("/export/sessions", params={"relevance": "include"}).text
    singles = [client.get("/session", params={"session_id": name}).text for name in "ab"]
    assert lines == "".join(single + "\n" for single in singles)


@pytest.mark.engines
def test_irrelevant_sessions_are_left_out_unless_asked_for(
    read_settings: Settings, client: TestClient
) -> None:
    store(read_settings, World((Search("a"), Search("b")), marks=(Mark("b"),)))
    assert [line["session_id"] for line in export(client)] == ["a"]
    only = export(client, relevance="only")
    assert [(line["session_id"], line["is_irrelevant"]) for line in only] == [("b", True)]


@pytest.mark.engines
def test_without_events_there_is_no_events_field(
    read_settings: Settings, client: TestClient
) -> None:
    search = Search("a")
    store(read_settings, World((search,), (Event(search, "e"),)))
    (line,) = export(client, with_events="false")
    assert "events" not in line
    assert line["search_results"] == [{"object_id": "a", "rank": 1.0, "meta": None}]


@pytest.mark.engines
@pytest.mark.usefixtures("read_settings")
def test_nothing_stored_is_an_empty_export(client: TestClient) -> None:
    assert export(client) == []


@pytest.mark.engines
@effort(
    max_examples=examples(15),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(world=worlds(), request=asked())
def test_every_selected_session_comes_once_with_its_events(
    module_settings: Settings, client: TestClient, world: World, request: Asked
) -> None:
    empty(module_settings)
    store(module_settings, world)
    params = request.params()
    del params["event_type"]
    lines = [
        (line["session_id"], line["search_query"], sorted(e["event_id"] for e in line["events"]))
        for line in export(client, **params)
    ]
    assert sorted(lines) == sorted(
        (
            s.session_id,
            s.query,
            sorted(e.event_id for e in reference.events_once(world, s.session_id)),
        )
        for s in reference.selected(world, request)
    )


class BreakingStore:
    """Answers one session, then breaks off."""

    def __init__(self) -> None:
        self.open_streams = 0

    async def rows(self, *_: object, **__: object) -> NoReturn:
        raise AssertionError("an export asks for a stream")

    @asynccontextmanager
    async def stream(
        self,
        query: Query[Row],
        **values: object,  # noqa: ARG002  (the protocol asks)
    ) -> AsyncIterator[AsyncIterator[list[Row]]]:
        self.open_streams += 1
        try:
            yield self._blocks(query)
        finally:
            self.open_streams -= 1

    async def _blocks(self, query: Query[Any]) -> AsyncIterator[list[Any]]:
        if query.row is SessionRow:
            yield [SessionRow("a", "q", [], [], [], None, None, None, None, 0, "2023-11-15")]
            raise SinkUnavailable("the connection broke")


def test_export_that_breaks_off_does_not_end_like_a_whole_one() -> None:
    async def test() -> None:
        store = BreakingStore()
        lines = ndjson(store, EVERYTHING, ["2023-11-15"], asyncio.Semaphore(1), with_events=True)
        assert (await anext(lines)).startswith(b'{"session_id":"a"')
        with pytest.raises(SinkUnavailable):
            await anext(lines)
        assert store.open_streams == 0

    asyncio.run(test())


def test_client_that_leaves_frees_the_connections_and_the_slot() -> None:
    async def test() -> None:
        store = BreakingStore()
        slots = asyncio.Semaphore(1)
        lines = ndjson(store, EVERYTHING, ["2023-11-15"], slots, with_events=True)
        async with aclosing(lines):
            await anext(lines)
            assert store.open_streams == 2
            assert slots.locked()
        assert store.open_streams == 0
        assert not slots.locked()

    asyncio.run(test())


def test_one_export_too_many_is_told_to_come_back() -> None:
    async def test() -> None:
        lines = ndjson(BreakingStore(), EVERYTHING, [], asyncio.Semaphore(0), with_events=True)
        with pytest.raises(TooManyExports) as caught:
            await anext(lines)
        assert caught.value.retry_after > 1

    asyncio.run(test())
