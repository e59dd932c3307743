"""Rows that the store refuses: they become dead letters, and hold up nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SinkUnavailable, StatementRefused
from schemas.dead_letters import Reason
from stream_processors.join import table_columns
from stream_processors.write.refused_rows import write_all_but_refused
from tests.stream_processors.flushing import World
from tests.stream_processors.memory_sink import clean_up
from tests.stream_processors.records import event, mark, session

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from core.settings import Settings


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.uint32())})


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=40), min_size=1, max_size=3))
def test_exactly_the_culprits_are_found_if_others_are_taken(parts: list[list[int]]) -> None:
    taken: list[int] = []

    def write(rows: pa.Table) -> None:
        values = rows["n"].to_pylist()
        if 0 in values:
            raise StatementRefused(f"no {values}")
        taken.extend(values)

    rows = [numbers(*part) for part in parts]
    values = [value for part in parts for value in part]
    if any(values):
        refused = write_all_but_refused(rows, write)
        assert [each.row["n"].to_pylist() for each in refused] == [[0]] * values.count(0)
        assert {each.error for each in refused} <= {"no [0]"}
        assert sorted(taken) == sorted(value for value in values if value)
    else:
        with pytest.raises(StatementRefused):
            write_all_but_refused(rows, write)


def test_a_table_that_takes_nothing_is_not_asked_row_by_row() -> None:
    asked = 0

    def write(_: pa.Table) -> None:
        nonlocal asked
        asked += 1
        raise StatementRefused("no")

    with pytest.raises(StatementRefused):
        write_all_but_refused([numbers(*range(50_000))], write)
    assert asked < 200


def test_a_row_that_is_taken_at_the_second_attempt_is_not_condemned() -> None:
    refusals = iter([True] * 3)

    def write(rows: pa.Table) -> None:
        if 0 in rows["n"].to_pylist() and next(refusals, False):
            raise StatementRefused("starting")

    assert write_all_but_refused([numbers(1, 1, 1, 0)], write) == []


def test_a_store_that_is_away_condemns_nothing() -> None:
    def write(rows: pa.Table) -> None:
        if rows.num_rows > 1:
            raise StatementRefused("no")
        raise SinkUnavailable("it is down")

    with pytest.raises(SinkUnavailable, match="down"):
        write_all_but_refused([numbers(1, 2)], write)


def refuse(world: World, *refused: tuple[str, str]) -> None:
    """Rows of these tables with these session ids."""
    world.sink.refuses = lambda table, row: (table, row["session_id"]) in refused


def letters(world: World) -> list[tuple[Reason, bytes | None]]:
    """Published, and stored."""
    published = [each.rejected for each in world.topic.dead_letters]
    assert len(world.sink.dead_letters) == len(published)
    return [(each.reason, each.record.key) for each in published]


@pytest.mark.parametrize(
    ("table", "bad"),
    [
        (table_columns.MARKS, mark("bad")),
        (table_columns.UNJOINED, event("bad", "e")),
        (table_columns.SESSIONS, session("bad")),
    ],
)
def test_a_refused_row_is_a_dead_letter_and_its_neighbours_are_stored(
    table: str, bad: dict[str, Any]
) -> None:
    world = World()
    refuse(world, (table, "bad"))
    good = [session("s"), event("s", "e"), event("t", "e"), mark("s"), mark("u")]
    report = world.post(good[0], bad, *good[1:])
    assert [each.reason for each in report.rejected] == [Reason.REFUSED_BY_SINK]
    assert letters(world) == [(Reason.REFUSED_BY_SINK, b"bad")]
    assert (set(world.sessions()), set(world.events())) == ({"s"}, {("s", "e")})
    assert set(world.unjoined()) == {("t", "e")}
    assert world.irrelevant() == {"s", "u"}


def test_an_event_that_is_refused_once_it_is_joined_is_a_dead_letter() -> None:
    world = World()
    refuse(world, (table_columns.EVENTS, "bad"))
    world.post(session("s"), session("bad"), event("s", "e"), event("bad", "e"))
    assert letters(world) == [(Reason.REFUSED_BY_SINK, b"bad")]
    assert (set(world.sessions()), set(world.events())) == ({"s", "bad"}, {("s", "e")})


@pytest.mark.parametrize("is_restarted", [False, True])
def test_events_of_a_refused_session_wait_until_it_is_posted_again(is_restarted: bool) -> None:
    world = World()
    refuse(world, (table_columns.SESSIONS, "bad"))
    world.post(event("bad", "earlier", "b"))
    world.post(session("bad", ["a", "b"]), session("s"), event("bad", "e", "b"), event("s", "e"))
    if is_restarted:
        world.restart()
    world.post(event("bad", "later", "b"), event("s", "later"))
    world.flush.delete_adopted()
    clean_up(world.sink)
    waiting = {("bad", name) for name in ("earlier", "e", "later")}
    assert set(world.unjoined()) == waiting
    assert set(world.events()) == {("s", "e"), ("s", "later")}
    refuse(world)
    world.post(session("bad", ["a", "b"]))
    clean_up(world.sink)
    assert set(world.events()) == {("s", "e"), ("s", "later"), *waiting}
    assert {world.events()[key]["position"] for key in waiting} == {2}
    assert not world.unjoined()


def test_a_stored_session_whose_row_is_refused_when_it_comes_again_keeps_its_events() -> None:
    world = World()
    world.post(session("bad"), event("bad", "e"))
    world.post(session("s"))
    refuse(world, (table_columns.SESSIONS, "bad"))
    world.flush_everything()
    clean_up(world.sink)
    assert (set(world.sessions()), set(world.events())) == ({"bad", "s"}, {("bad", "e")})
    assert not world.unjoined()


def test_a_waiting_event_that_cannot_be_joined_goes_on_waiting_and_stops_nobody() -> None:
    world = World()
    world.post(event("bad", "e"), event("s", "e"))
    refuse(world, (table_columns.EVENTS, "bad"))
    assert world.post(session("bad"), session("s")).left == 1
    assert (set(world.events()), ("bad", "e") in world.unjoined()) == ({("s", "e")}, True)
    refuse(world)
    clean_up(world.sink)
    assert (set(world.events()), world.unjoined()) == ({("s", "e"), ("bad", "e")}, {})


@pytest.mark.parametrize("table", [table_columns.SESSIONS, table_columns.MARKS])
def test_a_table_that_refuses_everything_is_waited_for(table: str) -> None:
    world = World()
    world.sink.refuses = lambda name, _: name == table
    with pytest.raises(StatementRefused):
        world.post(session("s"), session("t"), mark("s"), mark("t"))
    assert letters(world) == []


# Of the words of operators: a constraint, and a function that some text does not please.
CHECKS = ("session_id != 'bad'", "toUInt8(if(session_id = 'bad', 'x', '1'))")


@pytest.fixture(params=CHECKS)
def constrained(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Client]:
    """ClickHouse, where `sessions` and `session_marks` refuse one session id."""
    from core import clickhouse

    with clickhouse.connect(settings) as client:
        for table in ("sessions", "session_marks"):
            client.command(f"ALTER TABLE {table} ADD CONSTRAINT no CHECK {request.param}")
        yield client


@pytest.mark.engines
def test_clickhouse_refuses_one_row_and_takes_all_others(
    constrained: Client, settings: Settings
) -> None:
    from stream_processors.write.clickhouse import ClickHouseSink

    for table in ("unjoined_events", "dead_letters"):  # the records here are of 2023
        constrained.command(f"ALTER TABLE {table} REMOVE TTL")
    world = World()
    world.sink = ClickHouseSink(settings)  # type: ignore[assignment] # the real one
    world.restart()
    others = [session(f"s{n}") for n in range(100)]
    world.post(event("bad", "earlier"))
    report = world.post(session("bad"), mark("bad"), mark("s1"), event("bad", "e"), *others)
    assert [each.reason for each in report.rejected] == [Reason.REFUSED_BY_SINK] * 2
    assert "session_id" in report.rejected[0].error
    assert len(world.topic.dead_letters) == 2

    def counted(table: str, where: str = "1") -> int:
        query = f"SELECT count() FROM {table} FINAL WHERE {where}"  # noqa: S608 - our own names
        return int(constrained.query(query).first_row[0])

    assert (counted("sessions"), counted("session_marks"), counted("events")) == (100, 1, 0)
    assert counted("unjoined_events", "session_id = 'bad'") == 2
    assert counted("dead_letters", "reason = 'refused_by_sink'") == 2
    for table in ("sessions", "session_marks"):
        constrained.command(f"ALTER TABLE {table} DROP CONSTRAINT no")
    world.post(session("bad"))
    assert counted("events", "session_id = 'bad' AND position = 1") == 2


@pytest.mark.engines
@pytest.mark.parametrize("check", CHECKS)
def test_facts_that_clickhouse_refuses_hold_up_no_mark(settings: Settings, check: str) -> None:
    from core import clickhouse
    from stream_processors.write.clickhouse import ClickHouseSink

    with clickhouse.connect(settings) as client:
        client.command(f"ALTER TABLE session_facts ADD CONSTRAINT no CHECK {check}")
        world = World()
        world.sink = ClickHouseSink(settings)  # type: ignore[assignment] # the real one
        world.restart()
        for id_ in ("bad", "s"):
            world.post(session(id_))
            world.post(mark(id_))
        facts = "SELECT session_id, is_irrelevant FROM session_facts FINAL"
        assert client.query(facts).result_rows == [("s", True)]
        marked = "SELECT session_id FROM session_marks FINAL ORDER BY session_id"
        assert client.query(marked).result_rows == [("bad",), ("s",)]
