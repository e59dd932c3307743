"""The routes, from stored rows to files that their readers take."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ir_measures
import numpy as np
import pandas
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from api.judgments.examination import examination
from api.judgments.formats import document_id, query_id
from api.judgments.pairs import coec, ctr, pbm
from clickstream.commands.main import app
from core.clickhouse.client import connect
from tests.api.judgments.world import HARD, Searches, searches
from tests.api.stored import DAY_MS, NOON_MS, Event, Mark, Search, World, empty, store
from tests.local_client import LocalClient

if TYPE_CHECKING:
    from core.settings import Settings
    from tests.conftest import Corner

pytestmark = pytest.mark.engines

LOG = searches(2_000, 7, replace(HARD, queries=10, irrelevant=0.05))
RANGE = f"from={NOON_MS}&to={NOON_MS + 10_000_000}"
PURCHASED = 7
"""One click in so many is followed by a purchase."""


def world(log: Searches, *, with_irrelevant: bool = True) -> World:
    """Stored as it may happen: searches twice, with the list of another one the second time;
    events twice and days late; marks of what is irrelevant."""
    found, events, marks = [], [], []
    for number, (query, shown, clicked, irrelevant) in enumerate(
        zip(log.queries, log.lists, log.clicks, log.irrelevant, strict=True)
    ):
        if irrelevant and not with_irrelevant:
            continue
        search = Search(
            f"s{number}",
            f"query {query}",
            tuple((f"object {each}", None, None) for each in shown),
            created_at=NOON_MS + number * 1_000,
            search_meta=json.dumps({"device": "mobile" if number % 3 else "desktop"}),
            offset=number,
        )
        found.append(search)
        if number % 10 == 0:
            found.append(replace(search, results=search.results[::-1], offset=10**6 + number))
        for place in np.flatnonzero(clicked).tolist():
            late = 3 * DAY_MS if number % 5 == 0 else 0
            object_id = f"object {shown[place]}"
            at = search.created_at + 1_000 + late
            click = Event(search, f"e{place}", object_id, created_at=at, offset=number)
            events += [click] * (2 if number % 4 == 0 else 1)
            if (number + place) % PURCHASED == 0:
                events.append(Event(search, f"p{place}", object_id, "purchase", at, offset=number))
        if irrelevant:
            marks.append(Mark(search.session_id, offset=number))
    return World(tuple(found), tuple(events), tuple(marks))


@pytest.fixture(scope="module")
def module_settings(corner: Corner) -> Iterator[Settings]:
    with corner(dimensions=["search_meta.device"]) as settings:
        yield settings


@pytest.fixture(scope="module")
def api(module_settings: Settings, client: LocalClient) -> LocalClient:
    empty(module_settings)
    store(module_settings, world(LOG))
    return client


def judgments_of(api: LocalClient, question: str = "") -> list[dict[str, Any]]:
    answer = api.get(f"/judgments?{RANGE}&limit=10000{question}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["judgments"]
    return found


def test_counts_are_those_of_the_sessions_that_count(api: LocalClient) -> None:
    found = judgments_of(api, "&min_impressions=1")
    cells = LOG.cells()
    shown, clicked = cells.of_pairs(cells.impressions), cells.of_pairs(cells.clicks)
    wanted = {
        (f"query {pair // 14}", f"object {pair % 14}"): (shown[pair], clicked[pair])
        for pair in range(cells.pair_count)
        if shown[pair]
    }
    assert {
        (each["search_query"], each["object_id"]): (each["impressions"], each["clicks"])
        for each in found
    } == wanted
    pair = next(each for each in found if each["positions_seen"] > 1)
    number = int(pair["search_query"][6:]) * 14 + int(pair["object_id"][7:])
    positions = cells.positions[cells.pairs == number]
    assert pair["positions_seen"] == len(positions)
    assert pair["highest_position"] == positions.min()
    assert pair["lowest_position"] == positions.max()
    assert NOON_MS <= pair["first_seen_ms"] < pair["last_seen_ms"] < NOON_MS + 2_000_000


def test_estimates_are_those_of_the_counts(api: LocalClient) -> None:
    cells = LOG.cells()
    often = cells.of_pairs(cells.impressions) >= 20
    theta = examination(cells.at(often[cells.pairs])).values
    rates = cells.of_positions(cells.clicks) / cells.of_positions(cells.impressions)
    estimates = {"ctr": ctr(cells), "coec": coec(cells, rates), "pbm": pbm(cells, theta)}
    found = judgments_of(api)
    assert len(found) == often.sum()
    for each in found:
        pair = int(each["search_query"][6:]) * 14 + int(each["object_id"][7:])
        for name, estimate in estimates.items():
            assert [each[name], each[f"{name}_low"], each[f"{name}_high"]] == pytest.approx(
                [estimate.values[pair], estimate.low[pair], estimate.high[pair]], rel=1e-4
            )


def test_irrelevant_sessions_have_no_influence(api: LocalClient, module_settings: Settings) -> None:
    paths = [
        f"/judgments?{RANGE}&limit=10000&min_impressions=1",
        f"/judgments?{RANGE}&format=csv",
        f"/judgments?{RANGE}&format=parquet",
        f"/judgments?{RANGE}&weights=purchase:5,click:1",
        f"/judgments/propensities?{RANGE}",
        f"/judgments/propensities?{RANGE}&estimator=swaps",
    ]

    def contents(more: str = "") -> list[bytes]:
        answers = [api.get(path + more) for path in paths]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.content for answer in answers]

    with_them = contents()
    try:
        empty(module_settings)
        store(module_settings, world(LOG, with_irrelevant=False))
        without = contents()
    finally:
        empty(module_settings)
        store(module_settings, world(LOG))
    included = contents("&relevance=include")
    for path, *found in zip(paths, with_them, without, included, strict=True):
        assert found[0] == found[1] != found[2], path


def test_pages_are_the_whole_in_order(api: LocalClient) -> None:
    whole = judgments_of(api)
    pages, cursor = [], ""
    while True:
        answer = api.get(f"/judgments?{RANGE}&limit=50&cursor={cursor}").json()
        pages += answer["judgments"]
        cursor = answer["next"]
        if cursor is None:
            break
    assert pages == whole
    assert whole == sorted(whole, key=lambda each: (each["search_query"], each["object_id"]))


@pytest.mark.parametrize("fewest", [20, 100, 150])
def test_pairs_shown_too_seldom_are_left_out_and_change_nothing_else(
    api: LocalClient, fewest: int
) -> None:
    """Without a minimum, pairs are counted in one step; with one, in two."""
    every = judgments_of(api, "&min_impressions=1")
    wanted = [each for each in every if each["impressions"] >= fewest]
    assert 0 < len(wanted) < len(every)
    assert judgments_of(api, f"&min_impressions={fewest}") == wanted
    weighted = "&weights=purchase:5,click:1"
    every = judgments_of(api, f"&min_impressions=1{weighted}")
    wanted = [each for each in every if each["impressions"] >= fewest]
    assert judgments_of(api, f"&min_impressions={fewest}{weighted}") == wanted


def test_positions_are_counted_down_to_the_depth_also_beyond_the_64th(
    api: LocalClient, module_settings: Settings
) -> None:
    lists = [
        Search(
            f"long{number}",
            "long",
            tuple((f"object {place}", None, None) for place in range(1, length + 1)),
            created_at=NOON_MS + 20_000_000 + number,
            offset=10**7 + number,
        )
        for number, length in enumerate((100, 100, 70))
    ]
    clicked = [(0, 1), (0, 64), (0, 65), (0, 100), (1, 1), (1, 65), (2, 65), (2, 3)]
    clicks = [
        Event(lists[number], f"e{place}", f"object {place}", offset=10**7 + place)
        for number, place in clicked
    ]
    store(module_settings, World(tuple(lists), tuple(clicks), ()))
    asked = f"from={NOON_MS + 20_000_000}&to={NOON_MS + 20_001_000}&estimator=shuffled"
    for depth in (2, 64, 65, 80, 500):
        answer = api.get(f"/judgments/propensities?{asked}&depth={depth}").json()
        found = [(each["impressions"], each["clicks"]) for each in answer["propensities"]]
        assert found == [
            (3 if place <= 70 else 2, sum(at == place for _, at in clicked))
            for place in range(1, min(depth, 100) + 1)
        ]


def test_a_filter_narrows_what_is_judged_not_what_it_is_judged_by(api: LocalClient) -> None:
    whole = [each for each in judgments_of(api) if each["search_query"] == "query 3"]
    assert judgments_of(api, "&query=query%203") == whole
    mobile = judgments_of(api, "&query=query%203&search_meta.device=mobile")
    assert sum(e["impressions"] for e in mobile) < sum(e["impressions"] for e in whole)


def test_pairs_are_judged_by_each_value_of_a_declared_path(api: LocalClient) -> None:
    path = "search_meta.device"
    found = judgments_of(api, f"&by={path}")
    assert {each["by_value"] for each in found} == {"mobile", "desktop"}
    for value in ("mobile", "desktop"):
        wanted = judgments_of(api, f"&{path}={value}")
        assert {each["by_value"] for each in wanted} == {None}
        of_value = [each for each in found if each["by_value"] == value]
        assert [{**each, "by_value": None} for each in of_value] == wanted
    page = api.get(f"/judgments?{RANGE}&by={path}&limit=7").json()
    rest = api.get(f"/judgments?{RANGE}&by={path}&limit=10000&cursor={page['next']}").json()
    assert page["judgments"] + rest["judgments"] == found
    csv_text = api.get(f"/judgments?{RANGE}&by={path}&format=csv").text
    assert [row["by_value"] for row in csv.DictReader(io.StringIO(csv_text))] == [
        each["by_value"] for each in found
    ]


def test_weights_count_each_type_of_event_a_result_has(api: LocalClient) -> None:
    def sums(question: str) -> dict[tuple[str, str], float]:
        return {
            (each["search_query"], each["object_id"]): each["clicks"]
            for each in judgments_of(api, f"{question}&min_impressions=1")
        }

    clicked, purchased = sums("&event_type=click"), sums("&event_type=purchase")
    assert sum(purchased.values()) > 20
    for pair, found in sums("&weights=purchase:5,click:1").items():
        assert found == pytest.approx((5 * purchased[pair] + clicked[pair]) / 6)


def test_the_view_has_the_same_ctr_and_coec(api: LocalClient, module_settings: Settings) -> None:
    with connect(module_settings) as client:
        rows = client.query(
            "SELECT search_query, object_id, impressions, clicked_impressions, expected_clicks,"  # noqa: S608 - integers
            " ctr, ctr_low, ctr_high, coec, coec_low, coec_high, positions_seen, highest_position,"
            " lowest_position, toUnixTimestamp64Milli(first_seen),"
            " toUnixTimestamp64Milli(last_seen) FROM metrics_judgments("
            f"from_ms = {NOON_MS}, to_ms = {NOON_MS + 10_000_000}, relevance = 'exclude',"
            " event_type = 'click') WHERE impressions >= 20 ORDER BY search_query, object_id"
        ).result_rows
    names = (
        "impressions", "clicks", "expected_clicks", "ctr", "ctr_low", "ctr_high", "coec",
        "coec_low", "coec_high", "positions_seen", "highest_position", "lowest_position",
        "first_seen_ms", "last_seen_ms",
    )  # fmt: skip
    found = judgments_of(api)
    assert len(rows) == len(found)
    for row, each in zip(rows, found, strict=True):
        assert row[:2] == (each["search_query"], each["object_id"])
        assert row[2:] == pytest.approx([each[name] for name in names], rel=1e-6)


def test_grades_follow_the_estimator_and_the_cut_points(api: LocalClient) -> None:
    answer = api.get(f"/judgments?{RANGE}&estimator=pbm&cut_points=0.5,1,2,4").json()
    average = answer["averages"]["pbm"]
    for each in answer["judgments"]:
        assert each["grade"] == sum(each["pbm"] / average >= point for point in (0.5, 1, 2, 4))
    assert {each["grade"] for each in answer["judgments"]} > {0, 1, 2}


def test_propensities_come_down_the_list_and_are_filtered(api: LocalClient) -> None:
    whole = api.get(f"/judgments/propensities?{RANGE}").json()
    assert [each["position"] for each in whole["propensities"]] == list(range(1, 11))
    assert whole["propensities"][0]["examination"] == 1
    assert whole["propensities"][4]["examination"] == pytest.approx(0.28 / 0.68, abs=0.12)
    mobile = api.get(f"/judgments/propensities?{RANGE}&search_meta.device=mobile").json()
    assert mobile["propensities"][0]["impressions"] < whole["propensities"][0]["impressions"]
    shuffled = api.get(f"/judgments/propensities?{RANGE}&estimator=shuffled").json()
    rates = [each["ctr"] for each in shuffled["propensities"]]
    assert [each["examination"] for each in shuffled["propensities"]] == pytest.approx(
        [rate / rates[0] for rate in rates]
    )


def test_what_cannot_be_told_is_refused_with_the_numbers(api: LocalClient) -> None:
    one = f"{RANGE}&search_meta.device=none"
    answer = api.get(f"/judgments/propensities?{one}")
    assert answer.status_code == 422
    assert "em has no answer: 0 of 0 pairs" in answer.text
    early = f"from={NOON_MS}&to={NOON_MS + 30_000}"
    answer = api.get(f"/judgments?{early}&estimator=pbm")
    assert answer.status_code == 422
    assert "pbm has no answer: 0 of" in answer.text
    answer = api.get(f"/judgments?{early}&min_impressions=1").json()
    assert "at least 20 are needed" in answer["pbm_refused"]
    assert {each["pbm"] for each in answer["judgments"]} == {None}
    empty_range = api.get("/judgments?from=1000000000000&to=1000000000001").json()
    assert empty_range["judgments"] == []


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("cut_points=1,2,3", "must be 4 rising numbers"),
        ("cut_points=1,2,2,3", "must be 4 rising numbers"),
        ("cut_points=a", "must be 4 rising numbers"),
        ("cut_points=0,1,2,inf", "must be 4 rising numbers"),
        ("weights=click", "is no type:weight"),
        ("weights=click:0", "is not between 1 and 1,000"),
        ("weights=click:1,click:2", "has 'click' twice"),
        ("weights=" + ",".join(f"t{n}:1" for n in range(9)), "has 9 types: at most 8"),
        ("weights=click:1&event_type=click", "send one of them"),
        ("cursor=WyJhIiwiYiIsIiJd", "is no cursor"),
        ("min_impresions=1", "did you mean min_impressions?"),
        ("by=search_meta.colour", "search_meta.device"),
        ("by=search_meta.device&format=qrels", "one grade for each pair"),
    ],
)
def test_a_wrong_parameter_is_named(api: LocalClient, question: str, told: str) -> None:
    answer = api.get(f"/judgments?{question}")
    assert answer.status_code == 422
    assert told in answer.text


def test_tables_have_what_json_has(api: LocalClient) -> None:
    wanted = judgments_of(api)
    lines = api.get(f"/judgments?{RANGE}&format=ndjson").text.splitlines()
    assert [json.loads(line) for line in lines] == wanted
    parquet = pq.read_table(io.BytesIO(api.get(f"/judgments?{RANGE}&format=parquet").content))
    assert parquet.to_pylist() == wanted
    text = api.get(f"/judgments?{RANGE}&format=csv").text
    frame = pandas.read_csv(io.StringIO(text))
    assert list(frame.columns) == list(wanted[0])
    assert frame.grade.tolist() == [each["grade"] for each in wanted]


def test_ir_measures_evaluates_with_the_qrels(api: LocalClient) -> None:
    wanted = judgments_of(api)
    qrels = api.get(f"/judgments?{RANGE}&format=qrels").text
    found = list(ir_measures.read_trec_qrels(io.StringIO(qrels)))
    assert [(each.query_id, each.doc_id, each.relevance) for each in found] == [
        (query_id(each["search_query"]), document_id(each["object_id"]), each["grade"])
        for each in wanted
    ]
    run = [ir_measures.ScoredDoc(each.query_id, each.doc_id, each.relevance) for each in found]
    assert ir_measures.calc_aggregate([ir_measures.nDCG @ 10], found, run) == {
        ir_measures.nDCG @ 10: pytest.approx(1)
    }
    texts = api.get(f"/judgments?{RANGE}&format=queries").text.splitlines()
    assert dict(line.split("\t") for line in texts) == {
        query_id(each["search_query"]): each["search_query"] for each in wanted
    }


def test_ratings_are_those_that_workbenches_import(api: LocalClient) -> None:
    wanted = judgments_of(api)
    rows = list(csv.reader(io.StringIO(api.get(f"/judgments?{RANGE}&format=ratings_csv").text)))
    assert rows[0] == ["query", "docid", "rating"]
    assert rows[1:] == [
        [each["search_query"], each["object_id"], str(each["grade"])] for each in wanted
    ]
    found = api.get(f"/judgments?{RANGE}&format=ratings_json").json()
    assert [
        (query["query"], rating["docId"], float(rating["rating"]))
        for query in found["judgmentRatings"]
        for rating in query["ratings"]
    ] == [(each["search_query"], each["object_id"], each["grade"]) for each in wanted]
    assert len({query["query"] for query in found["judgmentRatings"]}) == 10


def test_the_command_writes_what_the_route_does(
    api: LocalClient, module_settings: Settings, tmp_path: Path
) -> None:
    environment = {
        "CLICKSTREAM_CLICKHOUSE_URL": module_settings.clickhouse_url.get_secret_value(),
    }
    output, positions = tmp_path / "judgments.csv", tmp_path / "positions.csv"
    arguments = ["--format", "csv", "-o", str(output), "--propensities", str(positions)]
    run = CliRunner().invoke(
        app,
        ["judgments", "--from", str(NOON_MS), "--to", str(NOON_MS + 10_000_000), *arguments],
        env=environment,
    )
    assert run.exit_code == 0, run.output
    assert output.read_bytes() == api.get(f"/judgments?{RANGE}&format=csv").content
    rows = list(csv.DictReader(io.StringIO(positions.read_text(encoding="utf-8"))))
    told = api.get(f"/judgments/propensities?{RANGE}").json()["propensities"]
    assert [float(row["examination"]) for row in rows] == [each["examination"] for each in told]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["judgments.csv", "positions.csv"]
