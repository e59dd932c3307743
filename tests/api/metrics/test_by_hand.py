"""The thirty searches of `by_hand`, counted by hand: through SQL, JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from math import log2
from typing import TYPE_CHECKING, Any

import pytest

from api.metrics.catalogue import METRICS, PARTS, Kind, Metric, Source
from core.clickhouse.client import connect
from tests.api.metrics.by_hand import D1, D2, WORLD
from tests.api.stored import DAY_MS, empty, store

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from starlette.testclient import TestClient

    from core.settings import Settings

pytestmark = pytest.mark.engines

# nDCG counts in billionths of a search.
approx = partial(pytest.approx, rel=0, abs=1e-8)

_NDCG_5 = (
    6  # s3, s7, s16, s17, s30: the first result alone; s18: the first two
    + (1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3))  # s4: 2 and 4
    + 2 / log2(4)  # s6, s22: the third
    + 1 / log2(3)  # s29: the second
)  # s13 and s21 were clicked further down
_NDCG_10 = _NDCG_5 + 1 / log2(11)  # s13: the tenth
_RECIPROCAL = 6 + 2 / 2 + 2 / 3 + 1 / 10 + 1 / 65

Wanted = dict[str, tuple[float, float | None]]
"""Metric → numerator and denominator."""

OF_CLICKS: Wanted = {
    "sessions": (28, None),
    "users": (7, None),
    "impressions": (264, None),
    "clicks": (17, None),
    "clicked_impressions": (15, None),
    "events": (22, None),
    "unlisted_events": (1, None),
    "unlisted_clicks": (1, None),
    "session_ctr": (13, 28),
    "position_ctr": (15, 264),
    "clicks_per_search": (17, 28),
    "results_per_search": (264, 28),
    "mean_first_click_position": (91, 12),
    "mean_reciprocal_rank": (_RECIPROCAL, 28),
    "ndcg_5": (_NDCG_5, 12),
    "ndcg_10": (_NDCG_10, 12),
    "ndcg_20": (_NDCG_10, 12),
    "zero_result_rate": (5, 28),
    "no_click_rate": (10, 23),
    "abandonment_rate": (7, 23),
    "early_click_sessions": (1, None),
    "conversion_rate": (13, 28),
    "click_to_conversion_rate": (13, 13),
    "value_per_event": (0, 0),
    "value_per_search": (0, 28),
    # s13, s14 and s16 have no user, s30 has no next search; that after s18 is an hour later.
    "clicks_without_dwell": (5, None),
    "clicks_after_next_search": (0, None),
    "intents": (22, None),
    "searches_per_intent": (28, 22),
    "intent_ctr": (10, 22),
    "intent_zero_result_rate": (4, 22),
    "reformulation_rate": (6, 24),
}
OF_PURCHASES: Wanted = {
    "clicks": (3, None),
    "unlisted_clicks": (0, None),
    "session_ctr": (3, 28),
    "conversion_rate": (3, 28),
    "click_to_conversion_rate": (2, 13),
    "value_per_event": (25.5, 2),
    "value_per_search": (25.5, 28),
    "mean_first_click_position": (3 + 1 + 1, 3),
    "no_click_rate": (20, 23),
    "abandonment_rate": (7, 23),
    "clicks_without_dwell": (1, None),  # s19: an hour
    "clicks_after_next_search": (1, None),  # s6: 20 s after s7
}
# Of s18 (twice), s4, s4, s29, s21, s17, s7, s21, s6, s22 and s3.
DWELLS = (500, 1_000, 1_000, 7_000, 8_000, 10_000, 12_000, 19_000, 20_000, 30_000, 34_000, 85_000)
# metric → how many values are in each bucket that has some
SPREAD = {
    "clicks_per_search": {0: 15, 1: 10, 2: 2, 3: 1},
    "dwell_ms": {500: 1, 1_000: 2, 5_000: 2, 10_000: 3, 20_000: 1, 30_000: 2, 60_000: 1},
    "mean_first_click_position": {1: 6, 2: 2, 3: 2, 10: 1, 50: 1},
    "results_per_search": {0: 5, 1: 2, 2: 3, 3: 3, 5: 5, 10: 8, 50: 2},
    "time_to_first_click_ms": {1_000: 3, 2_000: 5, 5_000: 2, 10_000: 1, 30_000: 1},
}
# At or below which share of the twelve times each level is.
FIRST_CLICKS = {10: 1000, 25: 2000, 50: 3000, 75: 8000, 90: 10_000, 95: 30_000, 99: 30_000}
# position → shown, clicked, clicked lists that reach it, of these with a click there or below
POSITIONS = {
    1: (23, 6, 12, 12),
    2: (21, 3, 10, 7),
    3: (18, 2, 9, 5),
    4: (15, 1, 9, 3),
    5: (15, 0, 9, 2),
    6: (10, 0, 7, 2),
    10: (10, 1, 7, 2),
    11: (3, 0, 2, 1),
    65: (2, 1, 2, 1),
    70: (2, 1, 2, 1),
}


@pytest.fixture(scope="module", autouse=True)
def _stored(module_settings: Settings) -> None:
    empty(module_settings)
    store(module_settings, WORLD)


@pytest.fixture
def sql(module_settings: Settings) -> Iterator[Client]:
    with connect(module_settings) as client:
        yield client


def asked(client: TestClient, path: str, **params: object) -> Any:
    answer = client.get(f"/analytics/{path}", params={k: str(v) for k, v in params.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


def asked_csv(client: TestClient, path: str, **params: object) -> list[dict[str, str]]:
    answer = client.get(f"/analytics/{path}", params={"format": "csv", **params})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_every_metric_of_searches_is_pinned() -> None:
    elsewhere = {Source.POSITIONS, Source.OBJECTS, Source.NOW}
    quotients = {m.name for m in METRICS if m.kind is not Kind.QUANTILE}
    assert quotients == OF_CLICKS.keys() | {m.name for m in METRICS if {*m.sources} <= elsewhere}


EACH_TYPE = pytest.mark.parametrize(
    ("event_type", "wanted"), [("click", OF_CLICKS), ("purchase", OF_PURCHASES)]
)
RANGE = "from_ms = 0, to_ms = 1800000000000, relevance = 'exclude', event_type = %(event_type)s"


def of_source(source: Source, wanted: Wanted) -> list[Metric]:
    """Those of `wanted` that are asked of this view."""
    return [m for m in METRICS if m.name in wanted and m.sources[0] is source]


@EACH_TYPE
@pytest.mark.parametrize("source", [Source.SESSIONS, Source.INTENTS])
def test_metrics_in_sql(sql: Client, source: Source, event_type: str, wanted: Wanted) -> None:
    metrics = [m for m in of_source(source, wanted) if m.name != "users"]
    columns = sorted({column for metric in metrics for column in metric.columns})
    sums = ", ".join(f"sum({column})" for column in columns) or "1"
    query = f"SELECT {sums} FROM {source.value}({RANGE})"  # noqa: S608 - our own names
    found = sql.query(query, parameters={"event_type": event_type}).first_row
    whole = {c: n / PARTS.get(c, 1) for n, c in zip(found, columns, strict=False)}
    for metric in metrics:
        numbers = [n for n in wanted[metric.name] if n is not None]
        assert [whole[column] for column in metric.columns] == approx(numbers), metric.name


@EACH_TYPE
@pytest.mark.parametrize("source", [Source.SESSIONS, Source.INTENTS])
def test_metrics_in_json_and_csv(
    client: TestClient, source: Source, event_type: str, wanted: Wanted
) -> None:
    metrics = of_source(source, wanted)
    for some in (metrics[:15], metrics[15:]):
        if not some:
            continue
        params = {"metric": ",".join(m.name for m in some), "event_type": event_type}
        (row,) = asked(client, "query", **params)["rows"]
        for metric in some:
            check(metric, row, *wanted[metric.name])
        (line,) = asked_csv(client, "query", **params)
        assert line == {name: "" if cell is None else str(cell) for name, cell in row.items()}


def check(metric: Metric, row: dict[str, Any], numerator: float, denominator: float | None) -> None:
    """The value, with what it is made of."""
    if denominator is None:
        assert row[metric.name] == numerator, metric.name
        return
    assert row[metric.name] == (approx(numerator / denominator) if denominator else None), (
        metric.name
    )
    assert row[metric.numerator] == approx(numerator), metric.name
    assert row[metric.denominator or ""] == denominator, metric.name
    assert (f"{metric.name}_low" in row) == (metric.kind is Kind.RATE), metric.name


def test_intervals_are_wilsons(client: TestClient) -> None:
    (row,) = asked(client, "query", metric="session_ctr")["rows"]
    low, high = row["session_ctr_low"], row["session_ctr_high"]
    assert (low, high) == pytest.approx((0.2953, 0.6419), abs=5e-5)


def test_time_to_first_click(client: TestClient) -> None:
    (row,) = asked(client, "query", metric="time_to_first_click_ms")["rows"]
    assert row == {
        "time_to_first_click_ms": 3000,
        **{f"time_to_first_click_ms_p{level}": ms for level, ms in FIRST_CLICKS.items()},
        "sessions_with_first_click": 12,
    }
    (of_carts,) = asked(client, "query", metric="time_to_first_click_ms", event_type="add_to_cart")[
        "rows"
    ]
    assert of_carts["time_to_first_click_ms"] == 7000
    assert of_carts["sessions_with_first_click"] == 2


def test_dwell(client: TestClient, sql: Client) -> None:
    found = sql.query(
        f"SELECT arraySort(groupArrayArray(dwells_ms)) FROM session_intents({RANGE})",  # noqa: S608
        parameters={"event_type": "click"},
    ).first_row
    assert list(found) == [list(DWELLS)]
    (row,) = asked(client, "query", metric="dwell_ms,time_to_first_click_ms")["rows"]
    assert (row["dwell_ms"], row["clicks_with_dwell"]) == (12_000, 12)
    levels = {10: 1_000, 25: 7_000, 50: 12_000, 75: 30_000, 90: 34_000, 95: 85_000, 99: 85_000}
    assert {n: row[f"dwell_ms_p{n}"] for n in levels} == levels
    assert row["time_to_first_click_ms_p75"] == 8_000
    (line,) = asked_csv(client, "query", metric="dwell_ms,time_to_first_click_ms")
    assert line == {name: str(cell) for name, cell in row.items()}
    # The purchase of s17, as s18 begins.
    (of_purchases,) = asked(client, "query", metric="dwell_ms", event_type="purchase")["rows"]
    assert (of_purchases["dwell_ms"], of_purchases["clicks_with_dwell"]) == (0, 1)


@pytest.mark.parametrize("metric", list(SPREAD))
def test_distributions(client: TestClient, metric: str) -> None:
    rows = asked(client, "query", metric=metric, shape="distribution")["rows"]
    assert {row["at_least"]: row["count"] for row in rows if row["count"]} == SPREAD[metric]
    assert [row["below"] for row in rows[:-1]] == [row["at_least"] for row in rows[1:]]
    every = sum(SPREAD[metric].values())
    assert [row["share"] for row in rows] == [row["count"] / every for row in rows]
    assert rows[-1]["share_below"] == 1
    lines = asked_csv(client, "query", metric=metric, shape="distribution")
    assert lines == [{name: str(cell) for name, cell in row.items()} for row in rows]


def test_distributions_of_groups(client: TestClient) -> None:
    params = {"metric": "clicks_per_search", "by": "search_meta.device", "shape": "distribution"}
    rows = asked(client, "query", **params)["rows"]
    found = {(row["search_meta.device"], row["at_least"]): row["count"] for row in rows}
    assert [found["tablet", clicks] for clicks in range(4)] == [3, 1, 1, 0]
    assert [found["mobile", clicks] for clicks in range(4)] == [5, 2, 1, 1]
    first = asked(client, "query", **params, limit=1)
    assert {row["search_meta.device"] for row in first["rows"]} == {"mobile"}
    second = asked(client, "query", **params, limit=1, cursor=first["next"])
    assert {row["search_meta.device"] for row in second["rows"]} == {"desktop"}


def test_quantiles(client: TestClient) -> None:
    params = {"metric": "time_to_first_click_ms", "shape": "quantiles"}
    (row,) = asked(client, "query", **params)["rows"]
    levels = {f"p{level}": ms for level, ms in FIRST_CLICKS.items()}
    assert row == {"count": 12, "mean": 70_000 / 12, **levels}
    (line,) = asked_csv(client, "query", **params)
    assert line == {name: str(cell) for name, cell in row.items()}
    of_none = asked(client, "query", **params, query="nobody asks this")
    assert of_none["rows"] == []


def test_what_is_of_now(client: TestClient, sql: Client) -> None:
    names = "unjoined_events,oldest_unjoined_seconds,dead_letters,freshness_seconds"
    (row,) = asked(client, "query", metric=names)["rows"]
    assert (row["unjoined_events"], row["dead_letters"]) == (1, 0)
    assert row["oldest_unjoined_seconds"] >= 0
    assert row["freshness_seconds"] is None  # no worker has noted anything
    (line,) = asked_csv(client, "query", metric=names)
    assert (line["unjoined_events"], line["freshness_seconds"]) == ("1", "")
    (of_sql,) = sql.query("SELECT unjoined_events, dead_letters FROM metrics_now").result_rows
    assert of_sql == (1, 0)


def test_overview_has_the_same_numbers(client: TestClient) -> None:
    body = asked(client, "overview")
    for name, (numerator, denominator) in OF_CLICKS.items():
        if denominator == 0:
            assert body[name] is None
        elif name in body:
            assert body[name] == approx(numerator / (denominator or 1)), name
    assert (body["irrelevant_sessions"], body["unjoined_events"]) == (2, 1)
    (line,) = asked_csv(client, "overview")
    assert line.items() <= {n: "" if c is None else str(c) for n, c in body.items()}.items()
    assert asked(client, "overview", relevance="only")["sessions"] == 2
    assert asked(client, "overview", relevance="include")["sessions"] == 30


def test_positions(client: TestClient) -> None:
    rows = {row["position"]: row for row in asked(client, "positions", limit=100)["positions"]}
    assert sorted(rows) == list(range(1, 71))
    for position, (shown, clicked, reaching, examined) in POSITIONS.items():
        row = rows[position]
        assert (row["impressions"], row["clicked_impressions"]) == (shown, clicked)
        assert row["position_ctr"] == approx(clicked / shown)
        assert row["click_share"] == approx(clicked / 15)
        assert (row["clicked_lists"], row["lists_examined"]) == (reaching, examined)
        assert row["examination_rate"] == approx(examined / reaching)
    first = asked(client, "positions", limit=4)["positions"]
    assert first == [rows[position] for position in (1, 2, 3, 4)]
    assert sum(row["click_share"] for row in rows.values()) == approx(1)


def test_positions_of_groups(client: TestClient) -> None:
    rows = asked(
        client, "query", metric="impressions,position_ctr", by="search_meta.device,position",
        limit=1000,
    )["rows"]  # fmt: skip
    tablet = [row for row in rows if row["search_meta.device"] == "tablet"]
    assert [row["impressions"] for row in tablet[:4]] == [5, 5, 5, 2]
    assert [row["clicked_impressions"] for row in tablet[:4]] == [0, 0, 1, 0]


def test_objects(client: TestClient) -> None:
    rows = {row["object_id"]: row for row in asked(client, "objects", limit=100)["objects"]}
    assert len(rows) == 70
    ctr_1, ctr_2, ctr_10 = 6 / 23, 3 / 21, 1 / 10
    for object_id, shown, clicked, expected in (
        ("o1", 23, 5, 21 * ctr_1 + 2 * ctr_10),
        ("o9", 10, 1, 2 * ctr_2),
        ("o10", 10, 2, 8 * ctr_10 + 2 * ctr_1),
        ("o70", 2, 1, 1.0),
    ):
        row = rows[object_id]
        assert (row["impressions"], row["clicked_impressions"]) == (shown, clicked)
        assert row["position_ctr"] == approx(clicked / shown)
        assert row["position_adjusted_ctr"] == approx(clicked / expected)
    top = [row["object_id"] for row in asked(client, "objects", limit=2)["objects"]]
    assert top == ["o1", "o10"]
    never = asked(client, "objects", list="never_clicked", min_impressions=10)["objects"]
    assert [(row["object_id"], row["impressions"]) for row in never] == [
        ("o5", 15), ("o6", 10), ("o7", 10), ("o8", 10)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("params", "queries"),
    [
        ({"list": "top", "limit": "3"}, ["shoes", "gloves", "hats"]),
        ({"list": "no_result"}, ["Boots ", "abc", "botos", "junk", "xyzzy"]),
        ({"list": "no_click"}, ["gloves"]),
        ({"list": "no_click", "min_sessions": "1"}, ["gloves", "", "sho", "shoe"]),
        ({"list": "rising", "from": "2023-11-16", "to": "2023-11-17"}, ["gloves", "hats", "junk"]),
        ({"list": "low_ctr"}, []),
        ({"query_prefix": "sho"}, ["shoes", "sho", "shoe", "shoes red"]),
        ({"query_regex": "^ha.s?$", "order": "session_ctr"}, ["hat", "hats"]),
        ({"query": "hats"}, ["hats"]),
        ({"user": "gus"}, ["shoes", "shoes red"]),
        ({"sort_field": "price"}, ["shoes", "shoes red"]),
        ({"search_meta.device": "tablet"}, ["gloves", "shoes"]),
        ({"payload_filter.shop.id": "7"}, ["boots"]),
    ],
)
def test_queries(client: TestClient, params: dict[str, str], queries: list[str]) -> None:
    rows = asked(client, "queries", **params)["queries"]
    assert [row["search_query"] for row in rows] == queries


def test_numbers_of_a_query(client: TestClient) -> None:
    (row,) = asked(client, "queries", query="shoes")["queries"]
    assert (row["sessions"], row["sessions_with_click"], row["clicks"]) == (8, 7, 9)
    assert row["session_ctr"] == 7 / 8


def test_groups_by_a_declared_path(client: TestClient) -> None:
    body = asked(client, "query", metric="session_ctr", by="search_meta.device")
    found = {row["search_meta.device"]: row["session_ctr"] for row in body["rows"]}
    assert found == {None: 5 / 7, "mobile": 4 / 9, "tablet": 2 / 5, "desktop": 2 / 7}
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_small_groups_are_left_out(client: TestClient) -> None:
    body = asked(client, "query", metric="clicks", by="search_query", min_sessions=3)
    assert [row["search_query"] for row in body["rows"]] == ["shoes", "hats", "gloves"]


def test_where_no_types_are_named_each_type_of_the_range_has_a_row(client: TestClient) -> None:
    body = asked(client, "query", metric="clicks", by="event_type")
    found = {row["event_type"]: row["clicks"] for row in body["rows"]}
    assert found["click"] == 17
    assert sum(found.values()) == 22
    assert body["sample"] is None


def test_groups_by_type_of_event(client: TestClient) -> None:
    body = asked(
        client, "query", metric="conversion_rate,value_per_event", by="event_type",
        event_type="add_to_cart,purchase,never",
    )  # fmt: skip
    found = {row["event_type"]: (row["sessions_with_click"], row["values"]) for row in body["rows"]}
    assert found == {"add_to_cart": (2, 3.25), "purchase": (3, 25.5), "never": (0, 0)}


def test_funnel(client: TestClient) -> None:
    steps = asked(client, "funnel", steps="click,purchase")["steps"]
    assert [(step["step"], step["sessions"]) for step in steps] == [
        ("search", 28), ("click", 13), ("purchase", 2)
    ]  # fmt: skip
    assert steps[2]["rate"] == 2 / 28
    assert steps[2]["of_previous"] == 2 / 13
    lines = asked_csv(client, "funnel", steps="click,purchase")
    assert [line["sessions"] for line in lines] == ["28", "13", "2"]


def test_series_has_a_row_for_days_without_anything(client: TestClient) -> None:
    rows = asked(
        client, "series", metric="session_ctr", **{"from": "2023-11-15", "to": "2023-11-19"}
    )["rows"]
    midnight = D1 - DAY_MS // 2
    assert [row["time_ms"] for row in rows] == [midnight + n * DAY_MS for n in range(4)]
    assert [row["sessions"] for row in rows] == [16, 10, 2, 0]
    assert [row["session_ctr"] for row in rows] == [7 / 16, 4 / 10, 1.0, None]


@pytest.mark.parametrize(
    ("granularity", "zone", "first", "counts"),
    [
        ("day", "Pacific/Auckland", "2023-11-15T11:00:00+00:00", [16, 10, 2]),
        ("week", "UTC", "2023-11-13T00:00:00+00:00", [28]),
        ("month", "America/Lima", "2023-11-01T05:00:00+00:00", [28]),
        ("hour", "UTC", "2023-11-15T12:00:00+00:00", None),
    ],
)
def test_steps_begin_in_the_time_zone(
    client: TestClient, granularity: str, zone: str, first: str, counts: list[int] | None
) -> None:
    rows = asked(
        client, "series", metric="sessions", granularity=granularity, time_zone=zone,
        **{"from": "2023-11-15T12:00:00Z", "to": "2023-11-18T00:00:00Z"},
    )["rows"]  # fmt: skip
    assert rows[0]["time_ms"] == datetime.fromisoformat(first).timestamp() * 1000
    if counts is None:
        assert len(rows) == 60
        assert {n: r["sessions"] for n, r in enumerate(rows) if r["sessions"]} == {
            0: 16, 24: 8, 25: 1, 26: 1, 48: 2
        }  # fmt: skip
    else:
        assert [row["sessions"] for row in rows] == counts


def test_comparison_with_the_period_before(client: TestClient) -> None:
    (row,) = asked(
        client, "query", metric="session_ctr,users,time_to_first_click_ms", compare="previous",
        **{"from": D2, "to": D2 + DAY_MS},
    )["rows"]  # fmt: skip
    assert (row["session_ctr"], row["users"]) == (4 / 10, 3)
    assert (row["previous_session_ctr"], row["previous_users"]) == (7 / 16, 3)
    # Of s17, s18, s21 and s22; of s3, s4, s6, s7, s13 and s14.
    assert row["time_to_first_click_ms"] == 8_000
    assert row["previous_time_to_first_click_ms"] == 3_000


def test_series_beside_the_one_before(client: TestClient) -> None:
    rows = asked(
        client, "series", metric="sessions", compare="previous",
        **{"from": "2023-11-16", "to": "2023-11-18"},
    )["rows"]  # fmt: skip
    assert [row["sessions"] for row in rows] == [10, 2]
    assert [row["previous_sessions"] for row in rows] == [0, 16]


def test_pages_of_an_answer_are_the_whole_of_it(client: TestClient) -> None:
    params: dict[str, object] = {"metric": "sessions,session_ctr", "by": "search_query"}
    whole = asked(client, "query", **params)["rows"]
    assert len(whole) == 15
    found, cursor = [], ""
    while cursor is not None:
        page = asked(client, "query", **params, limit=4, cursor=cursor)
        found += page["rows"]
        cursor = page["next"]
    assert found == whole
    stranger = client.get(
        "/analytics/query", params={"metric": "sessions", "by": "user_id", "cursor": "WzQsIiJd"}
    )
    assert stranger.json()["errors"][0]["path"] == "query.cursor"


def test_an_expression_that_re2_does_not_take_is_named(client: TestClient) -> None:
    answer = client.get(
        "/analytics/query", params={"metric": "sessions", "query_regex": "(?<=look)behind"}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "query.query_regex"
