"""Days that were settled give the numbers that they would give otherwise, whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from hypothesis import HealthCheck, given
from hypothesis import settings as effort

from api.settling.keeper import Keeper
from api.settling.settler import Due, Settler
from clickstream.commands.settle import _settle
from core.clickhouse.client import connect, database_of
from core.clock import SystemClock
from core.errors import SinkUnavailable
from tests.api import reference
from tests.api.reference import Asked
from tests.api.stored import DAY_MS, NOON_MS, Event, Mark, Search, World, empty, moment, store
from tests.api.test_analytics import BY_HAND
from tests.api.worlds import asked, worlds
from tests.clock import ManualClock
from tests.examples import examples

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from starlette.testclient import TestClient

    from core.settings import Settings

T = TypeVar("T")
DAY = moment(NOON_MS).date().isoformat()


def with_settler(settings: Settings, work: Callable[[Settler], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        settler = Settler(settings, SystemClock())
        try:
            return await work(settler)
        finally:
            await settler.close()

    return asyncio.run(run())


def settle(settings: Settings) -> list[str]:
    """Settle every day that can be; which ones they were."""

    async def work(settler: Settler) -> list[str]:
        return [due.day for due in await settler.due(0) if await settler.settle(due)]

    return with_settler(settings, work)


@pytest.fixture
def sql(read_settings: Settings) -> Iterator[Client]:
    with connect(read_settings) as client:
        client.command("TRUNCATE TABLE _session_facts")
        client.command("TRUNCATE TABLE _session_type_facts")
        client.command("TRUNCATE TABLE _settled_days")
        yield client


def number(sql: Client, query: str) -> int:
    return int(sql.query(query).first_row[0])


def answers_equal_the_reference(
    client: TestClient, world: World, request: Asked, limit: int = 50
) -> None:
    params = request.params()
    overview = client.get("/analytics/overview", params=params).json()
    del overview["range"]
    assert overview == pytest.approx(reference.overview(world, request))
    queries = client.get("/analytics/queries", params=params).json()["queries"]
    wanted = reference.queries(world, request)
    assert [query["search_query"] for query in queries] == [row["search_query"] for row in wanted]
    for query, want in zip(queries, wanted, strict=True):
        assert query == pytest.approx(want)
    params |= {"limit": str(limit)}
    positions = client.get("/analytics/positions", params=params).json()["positions"]
    assert positions == [pytest.approx(row) for row in reference.positions(world, request)]


@pytest.mark.engines
@effort(
    max_examples=examples(6),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(before=worlds(), request=asked())
def test_settled_numbers_equal_plain_python_and_what_comes_later_counts(
    module_settings: Settings, client: TestClient, before: World, request: Asked
) -> None:
    empty(module_settings)
    store(module_settings, before)
    settle(module_settings)
    answers_equal_the_reference(client, before, request)
    late = tuple(Event(search, "late", offset=200) for search in before.searches[:1])
    # The first post decides which list an event is joined to.
    late = tuple(e for e in late if e.search in reference.sessions_once(before))
    marks = tuple(Mark(search.session_id, offset=300) for search in before.searches[1:2])
    store(module_settings, World((), late, marks))
    after = World(before.searches, before.events + late, before.marks + marks, before.unjoined)
    answers_equal_the_reference(client, after, request)
    settle(module_settings)
    answers_equal_the_reference(client, after, request)


LONG_LIST = tuple((f"o{place}", None, None) for place in range(1, 71))
KEPT, FRESH = Search("kept", results=LONG_LIST), Search("x", "x", LONG_LIST, NOON_MS + DAY_MS)
EACH_WAY = World(
    (KEPT, FRESH, Search("idle")),
    tuple(
        Event(search, f"{event_type}{object_id}", object_id, event_type)
        for search in (KEPT, FRESH)
        for object_id, event_type in (
            ("o70", "cart"),
            ("o65", "cart"),
            ("o64", "cart"),
            ("o3", "click"),
            ("elsewhere", "buy"),
        )
    ),
)


@pytest.mark.engines
@pytest.mark.parametrize("relevance", ["exclude", "include", "only"])
@pytest.mark.parametrize("event_type", ["click", "cart", "buy", "never seen"])
def test_every_type_counts_the_same_on_kept_and_on_fresh_days(
    read_settings: Settings, client: TestClient, event_type: str, relevance: str
) -> None:
    fresh = replace(EACH_WAY, searches=(FRESH,), events=EACH_WAY.events[5:])
    kept = replace(EACH_WAY, searches=(KEPT, EACH_WAY.searches[2]), events=EACH_WAY.events[:5])
    marks = (Mark("kept"),)
    store(read_settings, kept)
    settle(read_settings)
    store(read_settings, replace(fresh, marks=marks))
    request = Asked(event_type=event_type, relevance=relevance)
    answers_equal_the_reference(client, replace(EACH_WAY, marks=marks), request, limit=100)


@pytest.mark.engines
def test_view_of_positions_knows_places_beyond_64(read_settings: Settings, sql: Client) -> None:
    events = tuple(Event(KEPT, object_id, object_id) for object_id in ("o3", "o64", "o65", "o70"))
    store(read_settings, World((KEPT,), events))
    clicked = (
        "SELECT position FROM analytics_positions AS places"
        " WHERE places.clicked_impressions = 1 ORDER BY position"
    )
    assert [row[0] for row in sql.query(clicked).result_rows] == [3, 64, 65, 70]
    settle(read_settings)
    assert [row[0] for row in sql.query(clicked).result_rows] == [3, 64, 65, 70]


# So many that a few rows beside them do not make the facts of the day useless.
MANY = tuple(Search(f"many{number}") for number in range(20))


def merge(sql: Client) -> None:
    """Make one part of what is there."""
    for table in ("sessions", "events"):
        sql.command(f"SYSTEM START MERGES {table}")
        sql.command(f"OPTIMIZE TABLE {table} FINAL")
        sql.command(f"SYSTEM STOP MERGES {table}")


@pytest.mark.engines
def test_facts_are_read_where_they_hold_and_nowhere_else(
    read_settings: Settings, sql: Client
) -> None:
    store(read_settings, World((*MANY, Search("next day", created_at=NOON_MS + DAY_MS))))
    assert len(settle(read_settings)) == 2
    assert settle(read_settings) == []
    # Facts that could not be computed from the tables: they must be what is read.
    sql.command(
        "INSERT INTO _session_facts (session_day, build, session_id, impressions)"
        " SELECT session_day, build, 'planted', 7 FROM _settled_builds"
        " WHERE session_day = {day:Date}",
        parameters={"day": DAY},
    )
    shown = "SELECT sum(impressions) FROM _session_facts_now"
    assert number(sql, shown) == len(MANY) + 1 + 7
    # What comes later is computed, and the facts of all others are read as before.
    store(read_settings, World((Search("late"),), (Event(MANY[0], "late"),)))
    assert number(sql, shown) == len(MANY) + 1 + 7 + 1
    # Those of a session with later rows are not, and those of a part that is gone are not.
    store(read_settings, World((), (Event(Search("planted"), "late"),)))
    assert number(sql, shown) == len(MANY) + 1 + 1
    sql.command("TRUNCATE TABLE events")
    assert number(sql, shown) == len(MANY) + 1 + 7 + 1
    merge(sql)
    assert number(sql, shown) == len(MANY) + 1 + 1


@pytest.mark.engines
def test_day_is_computed_when_most_of_it_came_later(read_settings: Settings, sql: Client) -> None:
    store(read_settings, World((Search("a"), Search("b"))))
    settle(read_settings)
    for name in "cd":
        store(read_settings, World((Search(name),)))
    assert number(sql, "SELECT sum(other_rows) FROM _settled_builds") == 2
    store(read_settings, World((Search("e"),)))
    assert number(sql, "SELECT count() FROM _settled_builds") == 0
    assert number(sql, "SELECT count() FROM _session_facts_now") == 5


@pytest.mark.engines
@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE events DELETE WHERE event_id = 'e1' SETTINGS mutations_sync = 2",
        "DELETE FROM sessions WHERE session_id = '1'",
        "ALTER TABLE sessions DROP PARTITION {day:String}",
    ],
)
def test_deletion_is_seen_at_once(read_settings: Settings, sql: Client, change: str) -> None:
    store(read_settings, BY_HAND)
    settle(read_settings)
    for table in ("sessions", "events"):
        sql.command(f"SYSTEM START MERGES {table}")  # deletions are merges
    sql.command(change, parameters={"day": DAY})
    kept = sql.query("SELECT session_id, events FROM _session_facts_now ORDER BY 1").result_rows
    computed = "SELECT session_id, events FROM _session_facts_computed ORDER BY 1"
    assert kept == sql.query(computed).result_rows
    assert len(kept) < 5 or sum(events for _, events in kept) < 7


@pytest.mark.engines
def test_views_are_settled_from_whichever_database_they_are_read(
    read_settings: Settings, sql: Client
) -> None:
    store(read_settings, BY_HAND)
    settle(read_settings)
    name = database_of(read_settings)
    with connect(read_settings, database="default") as elsewhere:
        named = {"name": name}
        builds = "SELECT count() FROM {name:Identifier}._settled_builds"
        sessions = "SELECT sum(sessions) FROM {name:Identifier}.analytics_daily"
        found = [
            elsewhere.query(query, parameters=named).first_row[0] for query in (builds, sessions)
        ]
    assert found == [2, 4]


@pytest.mark.engines
def test_build_that_was_cut_short_is_never_read_and_is_dropped(
    read_settings: Settings, sql: Client
) -> None:
    store(read_settings, BY_HAND)
    long_ago = (SystemClock().now_ms() - 2 * 3_600_000) << 20
    sql.command(
        "INSERT INTO _session_facts (session_day, build, session_id)"
        " VALUES ({day:Date}, {build:UInt64}, 'half')",
        parameters={"day": DAY, "build": long_ago},
    )
    assert number(sql, "SELECT count() FROM _session_facts_now") == 5
    assert with_settler(read_settings, lambda settler: settler.delete_stale()) == 1
    assert number(sql, "SELECT count() FROM _session_facts") == 0


@pytest.mark.engines
def test_replaced_builds_are_dropped_after_a_while_and_the_last_one_stays(
    read_settings: Settings, sql: Client
) -> None:
    store(read_settings, World((Search("a"),)))
    settle(read_settings)
    store(read_settings, World((Search("b"),)))
    settle(read_settings)
    assert with_settler(read_settings, lambda settler: settler.delete_stale()) == 0
    assert number(sql, "SELECT count() FROM _session_facts") == 3
    assert with_settler(read_settings, lambda settler: settler.delete_stale(0)) == 1
    assert number(sql, "SELECT count() FROM _session_facts") == 2
    assert number(sql, "SELECT count() FROM _settled_builds") == 1


@pytest.mark.engines
def test_day_whose_parts_were_merged_since_it_was_seen_is_left_for_later(
    read_settings: Settings, sql: Client
) -> None:
    store(read_settings, World((Search("a"),)))
    store(read_settings, World((Search("b"),)))
    (seen,) = with_settler(read_settings, lambda settler: settler.due(0))
    merge(sql)
    assert with_settler(read_settings, lambda settler: settler.settle(seen)) is False
    assert number(sql, "SELECT count() FROM _settled_days") == 0


class Interrupted(Settler):
    """Something happens after the facts were computed, before they are declared."""

    def __init__(self, settings: Settings, happens: Callable[[], None]) -> None:
        super().__init__(settings, SystemClock())
        self._happens = happens

    async def _compute(self, due: Due, build: int) -> None:
        await super()._compute(due, build)
        self._happens()


def settle_interrupted(settings: Settings, happens: Callable[[], None]) -> bool:
    """Settle the oldest day that is due."""

    async def work() -> bool:
        settler = Interrupted(settings, happens)
        *_, due = await settler.due(0)
        try:
            return await settler.settle(due)
        finally:
            await settler.close()

    return asyncio.run(work())


@pytest.mark.engines
def test_day_whose_parts_are_merged_while_it_is_computed_is_not_declared(
    read_settings: Settings, sql: Client
) -> None:
    store(read_settings, BY_HAND)
    store(read_settings, World((Search("b"),)))
    assert settle_interrupted(read_settings, lambda: merge(sql)) is False
    for table in ("_settled_days", "_session_facts", "_session_type_facts"):
        assert number(sql, f"SELECT count() FROM {table}") == 0  # noqa: S608


@pytest.mark.engines
def test_day_that_is_written_to_while_it_is_computed_gets_its_facts(
    read_settings: Settings, sql: Client
) -> None:
    store(read_settings, World(MANY))
    later = World((Search("b"),), (Event(MANY[0], "e", object_id="a", event_type="cart"),))
    assert settle_interrupted(read_settings, lambda: store(read_settings, later)) is True
    assert number(sql, "SELECT other_rows FROM _settled_builds") == 2
    facts = sql.query("SELECT session_id, events FROM _session_facts_now").result_rows
    assert sorted(facts) == [("b", 0), *sorted((s.session_id, s is MANY[0]) for s in MANY)]


@pytest.mark.engines
def test_what_a_later_part_held_and_lost_is_not_in_the_facts(
    read_settings: Settings, sql: Client
) -> None:
    store(read_settings, World(MANY))
    (due,) = with_settler(read_settings, lambda settler: settler.due(0))
    store(read_settings, World((Search("b"),), (Event(MANY[0], "e"),)))
    assert with_settler(read_settings, lambda settler: settler.settle(due)) is True
    sql.command("TRUNCATE TABLE events")
    later = "SELECT part FROM _day_parts WHERE part NOT IN {parts:Array(String)}"
    (part,) = sql.query(later, parameters={"parts": list(due.session_parts)}).first_row
    sql.command("ALTER TABLE sessions DROP PART {part:String}", parameters={"part": part})
    assert number(sql, "SELECT other_rows FROM _settled_builds") == 0
    facts = sql.query("SELECT count(), sum(events) FROM _session_facts_now").first_row
    assert facts == (len(MANY), 0)


@pytest.mark.engines
def test_command_settles_every_day_that_changed(
    read_settings: Settings, sql: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    store(read_settings, BY_HAND)
    asyncio.run(_settle(read_settings, 0))
    assert number(sql, "SELECT count() FROM _settled_builds") == 2
    assert capsys.readouterr().out == f"2023-11-16 computed\n{DAY} computed\n"
    asyncio.run(_settle(read_settings, 0))
    assert capsys.readouterr().out == ""


@pytest.mark.engines
def test_day_is_due_only_after_it_was_quiet(read_settings: Settings, sql: Client) -> None:
    store(read_settings, World((Search("a"),)))
    assert with_settler(read_settings, lambda settler: settler.due(3600)) == []


class FakeSettler(Settler):
    """Says one day is due, and does with it what it is told."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.settled = 0

    async def due(self, quiet_seconds: int) -> list[Due]:  # noqa: ARG002  (as it is)
        return [Due("2023-11-15", (1,), ("part",), ())]

    async def settle(self, due: Due) -> bool:  # noqa: ARG002
        self.settled += 1
        if self.error is not None:
            raise self.error
        return True

    async def delete_stale(self, grace_seconds: int = 0) -> int:  # noqa: ARG002
        return 0

    async def close(self) -> None:
        return


@pytest.mark.parametrize(
    ("error", "goes_on"),
    [(None, True), (SinkUnavailable("away"), True), (DatabaseError("no"), False)],
)
def test_keeper_goes_on_unless_it_may_not_write(error: Exception | None, goes_on: bool) -> None:
    async def run() -> int:
        settler = FakeSettler(error)
        # A thousandth of a second of quiet stands for a minute.
        keeper = Keeper(settler, ManualClock(), quiet_seconds=0.001)
        keeper.start()
        await asyncio.sleep(0.2)
        await keeper.stop()
        return settler.settled

    assert (asyncio.run(run()) > 1) is goes_on
