"""GET /analytics/… on real ClickHouse: by hand, and against plain Python."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort

from tests.api import reference
from tests.api.reference import Asked
from tests.api.stored import DAY_MS, NOON_MS, Event, Mark, Search, World, empty, store
from tests.api.worlds import asked, worlds
from tests.examples import examples

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from core.settings import Settings

pytestmark = pytest.mark.engines

# Of four digits, as they are printed in tables.
approx = partial(pytest.approx, abs=5e-5)

LIST = (("a", None, None), ("b", None, None), ("c", None, None))
CLICKED = Search("1", "shoes", LIST, user_id="ann")
TWICE = Search("2", "shoes", LIST[:2], user_id="ann")
IDLE = Search("3", "boots", LIST[:1], created_at=NOON_MS + DAY_MS)
NOTHING = Search("4", "xyzzy", (), user_id="bob")
MARKED = Search("5", "shoes", LIST)
BY_HAND = World(
    (CLICKED, TWICE, IDLE, NOTHING, MARKED),
    (
        Event(CLICKED, "e1", "b"),
        Event(CLICKED, "e2", "c"),
        Event(CLICKED, "e3", "b"),
        Event(TWICE, "e1", "a"),
        Event(TWICE, "e2", "elsewhere"),
        Event(TWICE, "e3", "a", "cart"),
        Event(MARKED, "e1", "a"),
    ),
    (Mark("5"),),
    (Event(Search("ghost"), "e"),),
)


@pytest.fixture
def by_hand(read_settings: Settings) -> World:
    store(read_settings, BY_HAND)
    return BY_HAND


@pytest.mark.usefixtures("by_hand")
def test_overview_of_a_day_counted_by_hand(client: TestClient) -> None:
    answer = client.get("/analytics/overview")
    assert answer.status_code == 200
    expected = {
        "range": {"from_ms": None, "to_ms": None, "relevance": "exclude", "event_type": "click"},
        "sessions": 4,
        "users": 2,
        "zero_result_sessions": 1,
        "zero_result_rate": 0.25,
        "zero_result_rate_low": approx(0.0456),
        "zero_result_rate_high": approx(0.6994),
        "impressions": 6,
        "events": 6,
        "unlisted_events": 1,
        "clicks": 5,
        "sessions_with_click": 2,
        "session_ctr": 0.5,
        "session_ctr_low": approx(0.15),
        "session_ctr_high": approx(0.85),
        "mean_reciprocal_rank": (1 / 2 + 1) / 4,
        "irrelevant_sessions": 1,
        "unjoined_events": 1,
        "dead_letters": 0,
    }
    assert among(answer.json(), expected) == expected


def among(row: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """Of a row, what is expected; it may say more."""
    return {name: row[name] for name in expected}


@pytest.mark.usefixtures("by_hand")
def test_queries_of_a_day_counted_by_hand(client: TestClient) -> None:
    first, *others = client.get("/analytics/queries").json()["queries"]
    expected = {
        "search_query": "shoes",
        "sessions": 2,
        "zero_result_sessions": 0,
        "zero_result_rate": 0.0,
        "zero_result_rate_low": 0.0,
        "zero_result_rate_high": approx(0.6576),
        "impressions": 5,
        "clicks": 5,
        "sessions_with_click": 2,
        "session_ctr": 1.0,
        "session_ctr_low": approx(0.3424),
        "session_ctr_high": 1.0,
        "mean_reciprocal_rank": 0.75,
    }
    assert among(first, expected) == expected
    assert [other["search_query"] for other in others] == ["boots", "xyzzy"]


@pytest.mark.usefixtures("by_hand")
def test_positions_of_a_day_counted_by_hand(client: TestClient) -> None:
    rows = client.get("/analytics/positions").json()["positions"]
    names = (
        "position", "impressions", "clicked_impressions", "position_ctr", "position_ctr_low",
        "position_ctr_high",
    )  # fmt: skip
    assert [tuple(row[name] for name in names) for row in rows] == [
        (1, 3, 1, 1 / 3, approx(0.0615), approx(0.7923)),
        (2, 2, 1, 1 / 2, approx(0.0945), approx(0.9055)),
        (3, 1, 1, 1.0, approx(0.2065), 1.0),
    ]


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize(
    ("params", "queries"),
    [
        ({"order": "zero_result_rate"}, ["xyzzy", "boots", "shoes"]),
        ({"order": "session_ctr", "ascending": "true"}, ["boots", "xyzzy", "shoes"]),
        ({"order": "clicks", "limit": "1"}, ["shoes"]),
        ({"order": "mean_reciprocal_rank", "min_sessions": "2"}, ["shoes"]),
        ({"from": str(NOON_MS + 1)}, ["boots"]),
        ({"from": "2023-11-16", "to": "2023-11-16T12:00:00.001Z"}, ["boots"]),
        ({"to": "2023-11-16T13:00:00+01:00"}, ["shoes", "xyzzy"]),
        ({"relevance": "only"}, ["shoes"]),
    ],
)
def test_queries_can_be_sorted_and_narrowed(
    client: TestClient, params: dict[str, str], queries: list[str]
) -> None:
    rows = client.get("/analytics/queries", params=params).json()["queries"]
    assert [row["search_query"] for row in rows] == queries


@pytest.mark.usefixtures("by_hand")
def test_positions_end_at_the_limit(client: TestClient) -> None:
    rows = client.get("/analytics/positions", params={"limit": 2}).json()["positions"]
    assert [row["position"] for row in rows] == [1, 2]


@pytest.mark.usefixtures("read_settings")
def test_nothing_stored_is_zeros_and_no_rates(client: TestClient) -> None:
    body = client.get("/analytics/overview").json()
    assert body["sessions"] == 0
    assert body["session_ctr"] is None
    assert client.get("/analytics/queries").json()["queries"] == []
    assert client.get("/analytics/positions").json()["positions"] == []


@pytest.mark.parametrize(
    ("path", "params", "place"),
    [
        ("overview", {"from": "yesterday"}, "query.from"),
        ("overview", {"to": "9" * 15}, "query.to"),
        ("overview", {"from": "2", "to": "1"}, "query.from"),
        ("overview", {"relevance": "maybe"}, "query.relevance"),
        ("overview", {"event_type": ""}, "query.event_type"),
        ("queries", {"order": "1; DROP TABLE sessions"}, "query.order"),
        ("queries", {"limit": "0"}, "query.limit"),
        ("positions", {"limit": "many"}, "query.limit"),
    ],
)
def test_wrong_parameter_is_named(
    client: TestClient, path: str, params: dict[str, str], place: str
) -> None:
    answer = client.get(f"/analytics/{path}", params=params)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["path"] == place


@effort(
    max_examples=examples(10),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(world=worlds(), request=asked())
def test_answers_equal_plain_python(
    module_settings: Settings, client: TestClient, world: World, request: Asked
) -> None:
    empty(module_settings)
    store(module_settings, world)
    params = request.params()
    overview = client.get("/analytics/overview", params=params).json()
    assert overview.pop("range") == request.range()
    of_all = reference.overview(world, request)
    assert among(overview, of_all) == pytest.approx(of_all)
    queries = client.get("/analytics/queries", params=params).json()["queries"]
    wanted = reference.queries(world, request)
    assert len(queries) == len(wanted)
    for query, want in zip(queries, wanted, strict=True):
        assert among(query, want) == pytest.approx(want)
    positions = client.get("/analytics/positions", params=params).json()["positions"]
    expected = reference.positions(world, request)
    assert len(positions) == len(expected)
    for row, want in zip(positions, expected, strict=True):
        assert among(row, want) == pytest.approx(want)
