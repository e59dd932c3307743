"""A day that is written to has the right numbers at every moment."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from core.clickhouse.client import connect
from tests.api.reference import Asked
from tests.api.stored import Event, Search, World, empty, store
from tests.api.test_settling import MANY, answers_equal_the_reference, merge, settle
from tests.api.worlds import asked, worlds
from tests.examples import examples

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from starlette.testclient import TestClient

    from core.settings import Settings

FACTS = ("_session_facts", "_session_type_facts", "_settled_days")


@st.composite
def pieces(draw: st.DrawFn) -> list[World]:
    """A world, in the pieces in which it arrives."""
    world, count = draw(worlds()), draw(st.integers(1, 4))

    def part(items: tuple[object, ...]) -> list[int]:
        return [draw(st.integers(0, count - 1)) for _ in items]

    places = {name: part(getattr(world, name)) for name in ("searches", "events", "marks")}
    return [
        World(
            **{
                name: tuple(
                    item
                    for item, where in zip(getattr(world, name), places[name], strict=True)
                    if where == number
                )
                for name in places
            }
        )
        for number in range(count)
    ]


def delete(sql: Client, session_id: str) -> None:
    """As an erasure does."""
    for table in ("sessions", "events"):
        sql.command(f"SYSTEM START MERGES {table}")  # deletions are merges
        sql.command(
            f"DELETE FROM {table} WHERE session_id = {{session_id:String}}",  # noqa: S608
            parameters={"session_id": session_id},
            settings={"lightweight_deletes_sync": 2},
        )
        sql.command(f"SYSTEM STOP MERGES {table}")


def without(world: World, session_id: str) -> World:
    return replace(
        world,
        searches=tuple(s for s in world.searches if s.session_id != session_id),
        events=tuple(e for e in world.events if e.search.session_id != session_id),
    )


@pytest.mark.engines
@effort(
    max_examples=examples(6),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    arrived=pieces(),
    between=st.lists(st.sampled_from(["settle", "settle", "merge", "delete"]), max_size=4),
    request=asked(),
)
def test_numbers_equal_plain_python_after_every_step(
    module_settings: Settings,
    client: TestClient,
    arrived: list[World],
    between: list[str],
    request: Asked,
) -> None:
    empty(module_settings)
    # Beside so many, the facts of the day stay useful while the rest comes.
    world = World(MANY, tuple(Event(search, "e0", offset=500) for search in MANY[::2]))
    store(module_settings, world)
    with connect(module_settings) as sql:
        for table in FACTS:
            sql.command(f"TRUNCATE TABLE {table}")
        settle(module_settings)
        for piece, step in itertools.zip_longest(arrived, between):
            if piece is not None:
                store(module_settings, piece)
                world = World(
                    world.searches + piece.searches,
                    world.events + piece.events,
                    world.marks + piece.marks,
                )
            if step == "settle":
                settle(module_settings)
            elif step == "merge":
                merge(sql)
            elif step == "delete":
                delete(sql, "s0")
                world = without(world, "s0")
            # An event may arrive before its session, here as in no worker.
            known = {search.session_id for search in world.searches}
            stored = replace(
                world, events=tuple(e for e in world.events if e.search.session_id in known)
            )
            answers_equal_the_reference(client, stored, request)


@pytest.mark.engines
def test_no_session_is_missed_or_read_twice_while_parts_come_and_go(
    read_settings: Settings,
) -> None:
    acknowledged = 0
    ended = threading.Event()

    def write() -> None:
        nonlocal acknowledged
        try:
            with connect(read_settings) as sql:
                for number in range(40):
                    search = Search(f"s{number}")
                    # Old sessions get events, too: their kept facts must not be read then.
                    events = (Event(search, "e"), Event(Search(f"s{number // 2}"), f"e{number}"))
                    store(read_settings, World((search,), events))
                    acknowledged = number + 1
                    if number % 3 == 2:
                        settle(read_settings)
                    if number % 7 == 6:
                        merge(sql)
        finally:
            ended.set()

    reads = 0
    with ThreadPoolExecutor(1) as pool, connect(read_settings) as sql:
        writing = pool.submit(write)
        while not ended.is_set():
            at_least = acknowledged
            (rows, sessions, events) = sql.query(
                "SELECT count(), uniqExact(session_id), sum(events) FROM _session_facts_now"
            ).first_row
            assert rows == sessions >= at_least
            assert at_least <= events / 2 <= sessions
            reads += 1
        writing.result()
    assert reads > 20
