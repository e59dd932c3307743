"""The analytics views agree with the same numbers in plain Python, and read only the days asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from api.metrics.catalogue import BY_NAME, OBJECT_ID, POSITION, SEARCH_QUERY
from api.metrics.parameters import check_source
from api.metrics.question import Question
from api.metrics.sql import statement
from core.clickhouse.client import connect
from tests.api import reference
from tests.api.reference import Asked
from tests.api.stored import DAY_MS, NOON_MS, Event, Mark, Search, World, moment, store
from tests.api.test_analytics import BY_HAND, CLICKED

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from core.settings import Settings

pytestmark = pytest.mark.engines

VIEWS = ("session_outcomes", "analytics_daily", "analytics_queries", "analytics_positions")
MEASURES = (
    "sessions",
    "zero_result_sessions",
    "zero_result_rate",
    "impressions",
    "clicks",
    "sessions_with_click",
    "session_ctr",
    "mean_reciprocal_rank",
)


@pytest.fixture
def sql(read_settings: Settings) -> Iterator[Client]:
    client = connect(read_settings)
    yield client
    client.close()


def rows(sql: Client, query: str) -> list[dict[str, object]]:
    return [dict(row) for row in sql.query(query).named_results()]


def test_daily_numbers_are_those_of_the_day(read_settings: Settings, sql: Client) -> None:
    store(read_settings, BY_HAND)
    for row in rows(sql, "SELECT * FROM analytics_daily"):
        day = row.pop("session_day")
        of_day = World(
            tuple(s for s in BY_HAND.searches if s.day == day), BY_HAND.events, BY_HAND.marks
        )
        expected = reference.overview(of_day, Asked())
        assert row == pytest.approx({name: expected[name] for name in row})


def test_query_numbers_are_those_of_the_query(read_settings: Settings, sql: Client) -> None:
    store(read_settings, BY_HAND)
    found = rows(sql, "SELECT * FROM analytics_queries ORDER BY sessions DESC, search_query")
    expected = reference.queries(BY_HAND, Asked())
    assert [row["search_query"] for row in found] == [row["search_query"] for row in expected]
    for row, want in zip(found, expected, strict=True):
        assert [row[name] for name in MEASURES] == pytest.approx([want[name] for name in MEASURES])


def test_position_numbers_add_up_over_days(read_settings: Settings, sql: Client) -> None:
    store(read_settings, BY_HAND)
    found = rows(
        sql,
        "SELECT position, sum(impressions) AS impressions,"
        " sum(clicked_impressions) AS clicked_impressions"
        " FROM analytics_positions GROUP BY position ORDER BY position",
    )
    for row, want in zip(found, reference.positions(BY_HAND, Asked()), strict=True):
        assert row == {name: want[name] for name in row}


def test_a_later_mark_takes_a_session_out_of_every_view(
    read_settings: Settings, sql: Client
) -> None:
    store(read_settings, World(BY_HAND.searches, BY_HAND.events))
    everywhere = """
        SELECT
            (SELECT count() FROM session_outcomes),
            (SELECT sum(sessions) FROM analytics_daily),
            (SELECT sum(sessions) FROM analytics_queries),
            (SELECT sum(impressions) FROM analytics_positions WHERE position = 3)
    """
    assert sql.query(everywhere).first_row == (5, 5, 5, 2)
    store(read_settings, World(marks=BY_HAND.marks))
    assert sql.query(everywhere).first_row == (4, 4, 4, 1)


def test_relevant_events_are_those_of_sessions_that_count_each_once(
    read_settings: Settings, sql: Client
) -> None:
    again = Event(CLICKED, "e1", "c", offset=9)  # posted a second time: the first one counts
    store(read_settings, replace(BY_HAND, events=(*BY_HAND.events, again)))
    assert relevant_events(sql) == counted(BY_HAND)
    store(read_settings, World(marks=(Mark("5", is_irrelevant=False, offset=1), Mark("1"))))
    late = Event(CLICKED, "after the mark", "a")
    store(read_settings, World(events=(late,)))
    marks = (Mark("1"),)
    assert relevant_events(sql) == counted(replace(BY_HAND, marks=marks))


def relevant_events(sql: Client) -> list[tuple[object, ...]]:
    found = sql.query(
        "SELECT session_id, event_id, object_id, event_type, position FROM relevant_events"
        " ORDER BY ALL"
    )
    return list(map(tuple, found.result_rows))


def counted(world: World) -> list[tuple[object, ...]]:
    """The same in plain Python."""
    kept = {search.session_id for search in reference.selected(world, Asked())}
    return sorted(
        (e.search.session_id, e.event_id, e.object_id, e.event_type, e.position or None)
        for e in world.events
        if e.search.session_id in kept
    )


def test_impressions_are_the_lists_that_count_place_by_place(
    read_settings: Settings, sql: Client
) -> None:
    store(read_settings, BY_HAND)
    found = sql.query(
        "SELECT session_id, position, object_id, rank, meta, search_query FROM impressions"
        " ORDER BY session_id, position"
    )
    assert found.result_rows == sorted(
        (search.session_id, place, *shown, search.query)
        for search in reference.selected(BY_HAND, Asked())
        for place, shown in enumerate(search.results, 1)
    )


@pytest.mark.parametrize(("event_type", "count"), [("view", 1_500), ("purchase", 7), ("cart", 0)])
def test_goals_of_a_session_are_counted_whatever_their_number(
    read_settings: Settings, sql: Client, event_type: str, count: int
) -> None:
    """Purchases come after more events than the facts keep with their time."""
    search = Search("s")
    types = ["view"] * 1_500 + ["purchase"] * 7
    events = tuple(
        Event(search, f"e{n}", event_type=type_, created_at=NOON_MS + n)
        for n, type_ in enumerate(types)
    )
    store(read_settings, World((search, Search("other")), events))
    (found,) = rows(
        sql,
        "SELECT clicks, sessions_with_click FROM metrics_overview(from_ms = 0,"  # noqa: S608 - ours
        f" to_ms = {2 * NOON_MS}, relevance = 'exclude', event_type = '{event_type}')",
    )
    assert found == {"clicks": count, "sessions_with_click": int(count > 0)}


@pytest.fixture
def four_days(read_settings: Settings) -> None:
    """One part of facts a day, and one of the overflow day."""
    searches = [
        *(Search(f"s{number}", created_at=NOON_MS + number * DAY_MS) for number in range(4)),
        Search("late", created_at=NOON_MS, overflow=True),
    ]
    store(read_settings, World(tuple(searches), tuple(Event(each, "e") for each in searches)))


@pytest.mark.usefixtures("four_days")
@pytest.mark.parametrize("view", VIEWS)
def test_view_reads_only_the_days_asked_for(sql: Client, view: str) -> None:
    day = moment(NOON_MS).date().isoformat()
    values: dict[str, object] = {"view": view, "day": day}
    query = "SELECT * FROM {view:Identifier} WHERE session_day = {day:Date}"
    # And those of no day, whose NULL is told only when it is read.
    assert parts_read(sql, query, values) <= 2


@pytest.mark.usefixtures("four_days")
@pytest.mark.parametrize("event_type", ["click", "purchase"])
@pytest.mark.parametrize(
    ("metric", "by"),
    [
        ("session_ctr", ()),
        ("session_ctr", (SEARCH_QUERY,)),
        ("reformulation_rate", ()),
        ("position_ctr", (POSITION,)),
        ("position_ctr", (OBJECT_ID,)),
        ("position_adjusted_ctr", (OBJECT_ID,)),
    ],
)
def test_question_reads_only_the_days_asked_for_and_the_overflow(
    sql: Client, metric: str, by: tuple[str, ...], event_type: str
) -> None:
    metrics = [BY_NAME[metric]]
    question = Question(
        metrics=metrics,
        source=check_source(metrics, by),
        times=(NOON_MS, NOON_MS + 1),
        relevance="exclude",
        event_types=[event_type],
        by=by,
    )
    asked = statement(question)
    # How often results at each position are clicked is read beside the objects.
    reads = 2 if metric == "position_adjusted_ctr" else 1
    assert parts_read(sql, asked.sql, dict(asked.values)) == 2 * reads


def parts_read(sql: Client, query: str, values: dict[str, object]) -> int:
    """Parts that are left to read, in all reads of `session_facts`. Nothing else is large."""
    plan = "\n".join(
        line for (line,) in sql.query(f"EXPLAIN indexes = 1 {query}", parameters=values).result_rows
    )
    reads = re.split(r"ReadFromMergeTree \(\S+?\.(\w+)\)", plan)
    read = [
        text
        for table, text in zip(reads[1::2], reads[2::2], strict=True)
        if table == "session_facts"
    ]
    assert read
    assert not {"sessions", "events"} & set(reads[1::2])
    return sum(int(re.findall(r"Parts: (\d+) \|", text)[0]) for text in read)
