"""Declared paths of results' metas, counted by hand: of the thirty searches of `by_hand`, the nine
of mobiles show results of ourselves (o1, o3, …) and ads (o2, o4, …)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from core.clickhouse.client import connect
from tests.api.metrics.by_hand import SOURCE, WORLD
from tests.api.metrics.test_by_hand import asked, asked_csv
from tests.api.stored import Event, Search, World, empty, store

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from starlette.testclient import TestClient

    from core.settings import Settings

pytestmark = pytest.mark.engines

approx = partial(pytest.approx, rel=0, abs=1e-8)

# What is shown and clicked: s3 at 1; s4 at 2 and 4; s17 at 1; s18 at 1 and 2.
SHOWN = {"own": (23, 3), "ads": (19, 3), None: (222, 9)}
# Ads at a position: shown, clicked, in lists with a click, of these with a click there or below.
ADS = {1: (0, 0, 0, 0), 2: (8, 2, 3, 2), 3: (0, 0, 0, 0), 4: (5, 1, 2, 1), 10: (2, 0, 2, 0)}
ALL = "from_ms = 0, to_ms = 1800000000000, relevance = 'exclude', event_type = 'click'"


@pytest.fixture(scope="module", autouse=True)
def _stored(module_settings: Settings) -> None:
    empty(module_settings)
    store(module_settings, WORLD)


@pytest.fixture
def sql(module_settings: Settings) -> Iterator[Client]:
    with connect(module_settings) as client:
        yield client


def by_source(rows: list[dict[str, Any]]) -> dict[str | None, tuple[int, int]]:
    return {row[SOURCE]: (row["impressions"], row["clicked_impressions"]) for row in rows}


def test_each_value_is_a_group_of_results(client: TestClient, sql: Client) -> None:
    params = {"metric": "position_ctr,position_adjusted_ctr", "by": SOURCE}
    rows = asked(client, "query", **params)["rows"]
    assert by_source(rows) == SHOWN
    assert {row[SOURCE]: row["position_ctr"] for row in rows} == {
        source: approx(clicked / shown) for source, (shown, clicked) in SHOWN.items()
    }
    lines = asked_csv(client, "query", **params)
    assert lines == [{n: "" if c is None else str(c) for n, c in row.items()} for row in rows]
    found = sql.query(
        f"SELECT result_dimensions['{SOURCE}'] AS source, sum(impressions) AS shown,"  # noqa: S608 - ours
        f" sum(clicked_impressions) FROM session_objects({ALL}) GROUP BY source"
    ).result_rows
    assert {source or None: tuple(counts) for source, *counts in found} == SHOWN


def test_a_filter_takes_the_results_of_a_group(client: TestClient) -> None:
    for source in ("own", "ads"):
        params = {"metric": "impressions,position_ctr", SOURCE: source}
        for by in ("", "object_id", SOURCE):
            rows = asked(client, "query", **params, by=by, limit=1_000)["rows"]
            shown = sum(row["impressions"] for row in rows)
            assert (shown, sum(row["clicked_impressions"] for row in rows)) == SHOWN[source], by
    objects = asked(client, "objects", **{SOURCE: "ads"})["objects"]
    assert {row["object_id"] for row in objects} == {f"o{n}" for n in (2, 4, 6, 8, 10)}


def test_of_searches_a_filter_takes_those_that_showed_one(client: TestClient) -> None:
    body = asked(client, "overview", **{SOURCE: "ads"})  # all of the nine but s17
    assert (body["sessions"], body["sessions_with_click"], body["clicks"]) == (8, 3, 6)
    assert (body["impressions"], body["clicked_impressions"]) == SHOWN["ads"]
    assert body["results_per_search"] == approx(19 / 8)
    assert body["position_ctr"] == approx(3 / 19)
    assert body["mean_first_click_position"] == approx((1 + 2 + 1) / 3)
    (row,) = asked(client, "query", metric="intents,results_per_search", **{SOURCE: "ads"})["rows"]
    assert (row["impressions"], row["sessions"]) == (19, 8)
    assert asked(client, "overview", **{SOURCE: "ads", "user": "gus"})["sessions"] == 0
    steps = asked(client, "funnel", steps="click,purchase", **{SOURCE: "ads"})["steps"]
    assert [step["sessions"] for step in steps] == [8, 3, 0]


def test_searches_that_showed_one_are_listed_whole(client: TestClient) -> None:
    rows = asked(client, "sessions", **{SOURCE: "ads"})["sessions"]
    assert {row["session_id"]: row["results"] for row in rows} == {
        "s1": 5, "s2": 5, "s3": 10, "s4": 10, "s5": 5, "s18": 2, "s19": 2, "s20": 2
    }  # fmt: skip


@pytest.mark.parametrize("is_filtered", [True, False])
def test_positions_of_results(client: TestClient, is_filtered: bool) -> None:
    if is_filtered:
        rows = asked(client, "positions", **{SOURCE: "ads"})["positions"]
    else:
        names = "impressions,position_ctr,click_share,examination_rate"
        found = asked(client, "query", metric=names, by=f"{SOURCE},position", limit=1_000)["rows"]
        rows = [row for row in found if row[SOURCE] == "ads"]
    assert [row["position"] for row in rows] == list(range(1, 11))
    for position, (shown, clicked, lists, examined) in ADS.items():
        row = rows[position - 1]
        assert (row["impressions"], row["clicked_impressions"]) == (shown, clicked)
        assert row["position_ctr"] == (approx(clicked / shown) if shown else None)
        assert row["click_share"] == approx(clicked / 3)
        assert (row["clicked_lists"], row["lists_examined"]) == (lists, examined)


def test_what_lies_below_the_last_position_counts_in_shares(client: TestClient) -> None:
    rows = asked(client, "positions", **{SOURCE: "ads"}, limit=3)["positions"]
    assert [row["click_share"] for row in rows] == [0, approx(2 / 3), 0]


def test_a_part_of_the_searches_can_be_asked_for(client: TestClient) -> None:
    for path in ("positions", "objects"):
        body = asked(client, path, **{SOURCE: "ads"}, one_of=2)
        assert (body["sample"]["one_of"], body["sample"]["of"]) == (2, "searches")


def test_a_series_and_the_period_before(client: TestClient) -> None:
    params = {"metric": "position_ctr", "from": "2023-11-16", "to": "2023-11-17", SOURCE: "own"}
    for by in ("", SOURCE):
        (row,) = asked(client, "query", **params, by=by, compare="previous")["rows"]
        assert (row["impressions"], row["clicked_impressions"]) == (4, 2)
        assert (row["previous_impressions"], row["previous_clicked_impressions"]) == (19, 1)
    series = {"metric": "impressions", "from": "2023-11-15", "to": "2023-11-18", SOURCE: "own"}
    rows = asked(client, "series", **series)["rows"]
    assert [row["impressions"] for row in rows] == [19, 4, 0]


def test_judgments_and_exports(client: TestClient) -> None:
    judged = client.get("/judgments", params={SOURCE: "ads", "min_impressions": 1}).json()
    assert {row["object_id"] for row in judged["judgments"]} <= {f"o{n}" for n in (2, 4, 6, 8, 10)}
    lines = client.get("/export/sessions", params={SOURCE: "ads"}).text.splitlines()
    assert len(lines) == 8
    table = client.get("/export/training", params={SOURCE: "ads", "format": "csv"}).text
    assert len(table.splitlines()) == 1 + 41  # whole lists


def test_long_lists_and_long_values(client: TestClient, module_settings: Settings) -> None:
    metas = ('{"source":"even"}', f'{{"source":"{"x" * 129}"}}', '{"source":["odd"]}')
    shown = tuple((f"o{n}", None, metas[n % 3]) for n in range(10_000))
    search = Search("long", "long list", shown)
    store(
        module_settings, World((search,), (Event(search, "e", "o9999"), Event(search, "f", "o0")))
    )
    params = {"metric": "position_ctr", "by": SOURCE, "query": "long list"}
    rows = asked(client, "query", **params)["rows"]
    assert by_source(rows)["even"] == (3_334, 2)
    assert sum(row["impressions"] for row in rows) == 10_000
    rows = asked(client, "positions", **{SOURCE: "even", "query": "long list"}, limit=10_000)
    assert rows["positions"][-1]["clicked_impressions"] == 1
