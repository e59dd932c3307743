"""GET /export/sessions: every selected session once, or visibly not all of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from api import lines
from api.covered import Covered
from api.lines import export_lines
from api.queries import EXPORT_DAYS, EXPORT_LINES, DayRow, Query
from api.selection import Relevance, Selection
from api.store import ClickHouseStore, Store
from api.tables import NDJSON
from core.errors import SinkUnavailable, TooManyExports
from core.ids import why_no_id
from tests.api import reference
from tests.api.reference import Asked
from tests.api.stored import DAY_MS, NOON_MS, Event, Mark, Search, World, empty, store
from tests.api.worlds import asked, worlds
from tests.examples import examples

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from core.settings import Settings

EVERYTHING = Covered(Selection(None, None, Relevance.INCLUDE))


def export(client: TestClient, **params: str) -> list[dict[str, Any]]:
    answer = client.get("/export/sessions", params=params)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == NDJSON.media_type
    assert answer.text == "" or answer.text.endswith("\n")
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.engines
def test_line_is_what_get_session_answers(read_settings: Settings, client: TestClient) -> None:
    odd = '{"z": 18446744073709551616, "a": [1, 1.0, "\\u2028"]}'
    first = Search("a", results=(("x", 1.0, odd), ("y", None, None)), search_meta=odd)
    second = Search("b", "ünï", (), created_at=NOON_MS + DAY_MS, user_id="ann")
    events = (Event(first, "2", "y"), Event(first, "1", created_at=NOON_MS, meta=odd))
    store(read_settings, World((first, second), events, (Mark("b"),)))
    exported = client.get("/export/sessions", params={"relevance": "include"}).text
    singles = [client.get("/session", params={"session_id": name}).text for name in "ab"]
    assert exported == "".join(single + "\n" for single in singles)


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
    max_examples=examples(8),
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
    listed = [
        (line["session_id"], line["search_query"], sorted(e["event_id"] for e in line["events"]))
        for line in export(client, **params)
    ]
    assert sorted(listed) == sorted(
        (
            s.session_id,
            s.query,
            sorted(e.event_id for e in reference.events_once(world, s.session_id)),
        )
        for s in reference.selected(world, request)
    )


ODD = st.text(max_size=8) | st.sampled_from(
    ["\u2028\u2029\u0085", "\0\x1f\x7f\r\n\t", "a/b\\\"'`{}:[],%", "\\N", "💥" * 100, "NULL"]
)
ODD_IDS = ODD.filter(lambda text: why_no_id(text) is None)
NUMBERS = st.sampled_from(
    ["18446744073709551616", "-9007199254740993", "1.0", "1e2", "-0.0", "123456789.123456789"]
)
# As the worker stores it: compact JSON of any shape, with raw characters or escapes.
METAS = st.none() | st.recursive(
    NUMBERS
    | st.sampled_from(["null", "true"])
    | st.builds(json.dumps, ODD, ensure_ascii=st.booleans()),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: "[" + ",".join(parts) + "]")
        | inner.map(lambda value: f'{{"z":{value},"a":0,"":{value}}}')
    ),
    max_leaves=5,
)
RANKS = st.none() | st.sampled_from([-0.0, 5.0, 1e16, 1e300, 5e-324]) | st.floats(-1e9, 1e9)


@st.composite
def odd_worlds(draw: st.DrawFn) -> World:
    searches = [
        Search(
            session_id,
            draw(ODD),
            tuple(draw(st.lists(st.tuples(ODD_IDS, RANKS, METAS), max_size=3))),
            created_at=NOON_MS + draw(st.integers(-1, 1)),
            search_meta=draw(METAS),
            payload_filter=draw(METAS),
            sort_by=draw(METAS),
            user_id=draw(st.none() | ODD_IDS),
        )
        for session_id in draw(st.sets(ODD_IDS, max_size=6))
    ]
    events = [
        Event(
            search,
            draw(ODD_IDS),
            draw(st.sampled_from([object_id for object_id, _, _ in search.results] or ["x"])),
            draw(ODD_IDS),
            NOON_MS + draw(st.integers(-2, 2)),
            draw(METAS),
            offset,
        )
        for search in searches
        for offset in range(draw(st.integers(0, 4)))
    ]
    return World(tuple(searches), tuple(events))


def value(line: bytes) -> Any:
    """With keys in their order, integers told apart from doubles, and other numbers as doubles."""
    return json.loads(line, parse_int=lambda text: ("integer", text), object_pairs_hook=list)


@pytest.mark.engines
@effort(
    max_examples=examples(6),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=odd_worlds(), portion=st.integers(1, 4))
def test_whatever_is_stored_a_line_is_what_get_session_answers(
    module_settings: Settings, client: TestClient, world: World, portion: int
) -> None:
    empty(module_settings)
    store(module_settings, world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "PORTION_SESSIONS", portion)
        content = client.get("/export/sessions").content
    for separator in ("\u2028", "\u2029", "\u0085", "\r"):
        assert separator.encode() not in content
    exported = sorted(content.splitlines())
    singles = [
        client.get("/session", params={"session_id": search.session_id}).content
        for search in world.searches
    ]
    by_id = {json.loads(line)["session_id"]: value(line) for line in exported}
    assert len(exported) == len(by_id)
    assert by_id == {json.loads(single)["session_id"]: value(single) for single in singles}


@pytest.mark.engines
def test_lists_of_ten_thousand_results_are_exported_in_little_memory(
    read_settings: Settings, client: TestClient
) -> None:
    results = tuple((f"object-{n}", float(n), '{"n":1.0}') for n in range(10_000))
    searches = tuple(Search(f"s{n:03}", results=results) for n in range(300))
    store(read_settings, World(searches, (Event(searches[0], "e", "object-9999"),)))
    # Of a cluster, a block of each shard is held at once.
    most = 300_000_000 if read_settings.clickhouse_cluster else 200_000_000
    with pytest.MonkeyPatch.context() as patch:
        limited = {**EXPORT_LINES.settings, "max_memory_usage": most}
        patch.setattr(lines, "EXPORT_LINES", replace(EXPORT_LINES, settings=limited))
        exported = client.get("/export/sessions").content.splitlines()
    assert len(exported) == 300
    one = json.loads(min(exported))
    assert one["search_results"][-1] == {
        "object_id": "object-9999",
        "rank": 9999.0,
        "meta": {"n": 1.0},
    }
    assert one["events"][0]["position"] == 10_000


class _BreakingLines(Query[bytes]):
    """Gives more than a megabyte, which ClickHouse sends at once, and fails then."""

    sql = """
        SELECT concat('{"session_id":"', toString(number), '"}') AS line FROM numbers(1000000)
        WHERE throwIf(number = 500000, 'broken on purpose') = 0
    """


@pytest.mark.engines
def test_an_error_of_clickhouse_behind_the_first_lines_ends_no_export_well(
    read_settings: Settings,
) -> None:
    store(read_settings, World((Search("a"),)))

    pieces: list[bytes] = []

    async def read() -> None:
        breaking_store = ClickHouseStore(read_settings)
        try:
            async for piece in exported(breaking_store, asyncio.Semaphore(1)):
                pieces.append(piece)  # noqa: PERF401  (those before the error count)
        finally:
            await breaking_store.close()

    with pytest.MonkeyPatch.context() as patch:
        broken = _BreakingLines("broken", bytes, {"max_threads": 1, "max_block_size": 1000})
        patch.setattr(lines, "EXPORT_LINES", broken)
        with pytest.raises(SinkUnavailable):
            asyncio.run(read())
    content = b"".join(pieces)
    assert 0 < content.count(b"\n") <= 500_000
    assert content.endswith(b'"}\n')
    assert b"broken" not in content


class BreakingStore:
    """Answers one session, then breaks off."""

    def __init__(self) -> None:
        self.open_streams = 0

    async def rows(self, query: Query[Any], *_: object, **__: object) -> list[Any]:
        return [DayRow("2023-11-15")] if query is EXPORT_DAYS else []

    @asynccontextmanager
    async def file(
        self,
        query: Query[bytes],  # noqa: ARG002  (the protocol asks)
        format: str,  # noqa: ARG002  (the protocol asks)
        **values: object,  # noqa: ARG002  (the protocol asks)
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        self.open_streams += 1
        try:
            yield self._chunks()
        finally:
            self.open_streams -= 1

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield b'{"session_id":"a"}\n'
        raise SinkUnavailable("the connection broke")


def exported(store: Store, slots: asyncio.Semaphore) -> AsyncGenerator[bytes, None]:
    return export_lines(store, EVERYTHING, slots, with_events=True, seconds=1)


def test_export_that_breaks_off_does_not_end_like_a_whole_one() -> None:
    async def test() -> None:
        store = BreakingStore()
        pieces = exported(store, asyncio.Semaphore(1))
        assert (await anext(pieces)).startswith(b'{"session_id":"a"')
        with pytest.raises(SinkUnavailable):
            await anext(pieces)
        assert store.open_streams == 0

    asyncio.run(test())


def test_client_that_leaves_frees_the_connection_and_the_slot() -> None:
    async def test() -> None:
        store = BreakingStore()
        slots = asyncio.Semaphore(1)
        async with aclosing(exported(store, slots)) as pieces:
            await anext(pieces)
            assert store.open_streams == 1
            assert slots.locked()
        assert store.open_streams == 0
        assert not slots.locked()

    asyncio.run(test())


def test_one_export_too_many_is_told_to_come_back() -> None:
    async def test() -> None:
        with pytest.raises(TooManyExports) as caught:
            await anext(exported(BreakingStore(), asyncio.Semaphore(0)))
        assert caught.value.retry_after > 1

    asyncio.run(test())
