"""Random searches: every metric is that of plain Python.

CLICKSTREAM_TEST_SESSIONS says how many searches."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from scipy.stats import binomtest

from api.metrics.catalogue import (
    BY_NAME,
    METRICS,
    OBJECT_ID,
    POSITION,
    SESSION,
    SESSION_DIMENSIONS,
    Kind,
    Source,
)
from core.clickhouse.client import connect
from tests.api.metrics import oracle
from tests.api.metrics.by_hand import DIMENSIONS, SOURCE
from tests.api.metrics.oracle import Counted, Pair
from tests.api.metrics.test_by_hand import asked
from tests.api.stored import DAY_MS, NOON_MS, Event, Mark, Search, World, empty, store

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from core.settings import Settings

pytestmark = pytest.mark.engines

_SESSIONS = int(os.environ.get("CLICKSTREAM_TEST_SESSIONS", "200"))
_TEXTS = ("shoe", "shoes", "Shoes ", "sheos", "red shoes", "hat", "", "Schüh", "schühe", "x", "y")

_METAS = (None, "{}", '{"source":"a"}', '{"source":"a","x":1}', '{"source":"b"}')

approx_parts = {"abs": 1e-8, "rel": 1e-8}


def random_world(random: Random, sessions: int) -> World:
    """Few users, texts and moments, so that runs begin and end in many ways; lists that are long,
    empty and in any order; clicks before, at and long after the search."""
    searches: list[Search] = []
    events: list[Event] = []
    for number in range(sessions):
        length = random.choice((0, 1, 3, 10, 25, 70, 130))
        shown = [f"o{n}" for n in range(140)]
        random.shuffle(shown)
        search = Search(
            f"s{number}",
            random.choice(_TEXTS) if random.random() < 0.7 else f"text {number}",
            tuple((object_id, None, random.choice(_METAS)) for object_id in shown[:length]),
            created_at=NOON_MS + random.randrange(3) * DAY_MS + random.randrange(200) * 1_000,
            user_id=random.choice((None, *(f"u{n}" for n in range(1 + sessions // 10)))),
            search_meta=random.choice((None, '{"device":"a"}', '{"device":"b","x":1}')),
            payload_filter=random.choice((None, "{}", '{"shop":{"id":7}}')),
            sort_by=random.choice((None, '{"field":"price"}', '{"order":"asc"}')),
            overflow=random.random() < 0.05,
            offset=number,
        )
        searches.append(search)
        of_search = 0 if search.query == "x" else random.choice((0, 0, 1, 2, 5))
        events += [_event(random, search) for _ in range(of_search)]
    marks = [
        Mark(s.session_id, random.random() < 0.6, n) for n, s in enumerate(searches) if n % 9 == 0
    ]
    return World(tuple(searches), tuple(events), tuple(marks))


def _event(random: Random, search: Search) -> Event:
    """Few ids, so that some are posted again with other content."""
    listed = [object_id for object_id, _, _ in search.results]
    place = int(len(listed) * random.random() ** 2)
    return Event(
        search,
        f"e{random.randrange(6)}",
        listed[place] if listed and random.random() < 0.95 else "elsewhere",
        random.choice(("click", "click", "click", "cart", "purchase")),
        created_at=search.created_at + random.choice((-500, 0, 700, 20_000, 2 * DAY_MS)),
        meta=random.choice((None, '{"amount":19.99}', '{"amount":3}', '{"amount":"much"}', "{}")),
        offset=random.randrange(10_000),
    )


@pytest.fixture(scope="module")
def world(module_settings: Settings) -> World:
    world = random_world(Random(21), _SESSIONS)
    empty(module_settings)
    store(module_settings, world)
    return world


def assert_pair(row: dict[str, Any], name: str, pair: Pair) -> None:
    metric, (numerator, denominator) = BY_NAME[name], pair
    if metric.denominator is None:
        assert row[name] == numerator, name
        return
    assert row[metric.numerator] == pytest.approx(numerator, **approx_parts), name
    # Expected clicks are rounded to a billionth for each result.
    assert row[metric.denominator] == pytest.approx(denominator, abs=1e-6, rel=1e-8), name
    if not denominator:
        assert row[name] is None, name
    else:
        assert row[name] == pytest.approx(numerator / denominator, abs=1e-6), name


def names(source: Source) -> list[list[str]]:
    """Of the metrics of a view, as many as one question takes."""
    every = [m.name for m in METRICS if m.sources[0] is source and m.kind is not Kind.QUANTILE]
    return [every[:15], every[15:]] if len(every) > 15 else [every]


def every_page(client: TestClient, path: str, of: str, **params: object) -> list[Any]:
    """The rows of all pages."""
    rows, cursor = [], ""
    while cursor is not None:
        page = asked(client, path, limit=1_000, cursor=cursor, **params)
        rows += page[of]
        cursor = page["next"]
    return rows


def by_group(
    some: list[Counted], key_of: Callable[[Counted], str | None]
) -> dict[str | None, list[Counted]]:
    found: dict[str | None, list[Counted]] = defaultdict(list)
    for each in some:
        found[key_of(each)].append(each)
    return found


def at(text: str | None, *keys: str) -> str | None:
    """What JSON has there, as text."""
    found = json.loads(text or "{}")
    for key in keys:
        found = found.get(key, {})
    return str(found) if found else None


GROUPS: Mapping[str, Callable[[Counted], str | None]] = {
    "search_query": lambda each: each.search.query,
    "user_id": lambda each: each.search.user_id,
    "sort_field": lambda each: at(each.search.sort_by, "field"),
    "search_meta.device": lambda each: at(each.search.search_meta, "device"),
    "payload_filter.shop.id": lambda each: at(each.search.payload_filter, "shop", "id"),
}


def test_every_dimension_and_metric_is_asked_here() -> None:
    asked_apart = {"event_type", "position", "object_id", SOURCE}
    assert GROUPS.keys() | asked_apart == {
        *SESSION_DIMENSIONS, POSITION, OBJECT_ID, *DIMENSIONS
    }  # fmt: skip
    of_searches = {name for source in SESSION for some in names(source) for name in some}
    of_results = {"click_share", "examination_rate", "position_adjusted_ctr"}
    quantiles = {"time_to_first_click_ms", "dwell_ms"}
    is_of_now = {metric.name for metric in METRICS if metric.kind is Kind.NOW}
    assert of_searches | of_results | quantiles | is_of_now == BY_NAME.keys()


@pytest.mark.parametrize("event_type", ["click", "purchase"])
@pytest.mark.parametrize("source", SESSION)
def test_metrics_of_searches(
    client: TestClient, world: World, source: Source, event_type: str
) -> None:
    counted = oracle.counted(world, event_type)
    for some in names(source):
        params = {"metric": ",".join(some), "event_type": event_type}
        (row,) = asked(client, "query", **params)["rows"]
        assert_rows({None: row}, {None: only(some, oracle.of_sessions(counted))})
        for dimension in GROUPS if event_type == "click" else ["search_meta.device"]:
            groups = by_group(counted, GROUPS[dimension])
            wanted = {key: only(some, oracle.of_sessions(mine)) for key, mine in groups.items()}
            rows = every_page(client, "query", "rows", **params, by=dimension)
            assert_rows({row[dimension]: row for row in rows}, wanted)


def test_metrics_of_searches_by_type_of_event(client: TestClient, world: World) -> None:
    types = ("cart", "click", "purchase")
    for some in (name for source in SESSION for name in names(source)):
        params = {"metric": ",".join(some), "by": "event_type", "event_type": ",".join(types)}
        rows = asked(client, "query", **params)["rows"]
        assert_rows(
            {row["event_type"]: row for row in rows},
            {
                type_: only(some, oracle.of_sessions(oracle.counted(world, type_)))
                for type_ in types
            },
        )


def only(some: Sequence[str], pairs: Mapping[str, Pair]) -> Mapping[str, Pair]:
    return {name: pairs[name] for name in some}


@pytest.mark.parametrize("event_type", ["click", "cart"])
def test_time_to_first_click(client: TestClient, world: World, event_type: str) -> None:
    (row,) = asked(client, "query", metric="time_to_first_click_ms", event_type=event_type)["rows"]
    wanted = oracle.first_clicks(oracle.counted(world, event_type))
    assert {n: row[f"time_to_first_click_ms_p{n}"] for n in wanted} == wanted


@pytest.mark.parametrize("event_type", ["click", "cart"])
def test_dwell(client: TestClient, world: World, event_type: str) -> None:
    (row,) = asked(client, "query", metric="dwell_ms", event_type=event_type)["rows"]
    times, _, _ = oracle.dwells(oracle.counted(world, event_type))
    wanted = oracle.quantiles(times)
    assert {n: row[f"dwell_ms_p{n}"] for n in wanted} == wanted
    assert row["clicks_with_dwell"] == len(times)


def test_distributions(client: TestClient, world: World) -> None:
    devices = by_group(oracle.counted(world, "click"), GROUPS["search_meta.device"])
    for metric, values_of in (
        ("clicks_per_search", lambda some: [len(each.goals) for each in some]),
        ("dwell_ms", lambda some: oracle.dwells(some)[0]),
    ):
        params = {"metric": metric, "by": "search_meta.device"}
        rows = asked(client, "query", **params, shape="distribution")["rows"]
        quantiles = asked(client, "query", **params, shape="quantiles")["rows"]
        for device, some in devices.items():
            values = values_of(some)
            for row in (row for row in rows if row["search_meta.device"] == device):
                below = row["below"] or float("inf")
                assert row["count"] == sum(row["at_least"] <= each < below for each in values)
            (of_device,) = [row for row in quantiles if row["search_meta.device"] == device]
            wanted = oracle.quantiles(sorted(values))
            assert {level: of_device[f"p{level}"] for level in wanted} == wanted
            assert of_device["mean"] == pytest.approx(sum(values) / len(values))


@pytest.mark.parametrize("event_type", ["click", "purchase"])
def test_metrics_of_positions_and_objects(
    client: TestClient, world: World, event_type: str
) -> None:
    counted = oracle.counted(world, event_type)
    for path, key, wanted in (
        ("positions", "position", oracle.of_positions(counted)),
        ("objects", "object_id", oracle.of_objects(counted)),
    ):
        rows = asked(client, path, event_type=event_type, limit=1_000)[path]
        assert_rows({row[key]: row for row in rows}, wanted)


@pytest.mark.parametrize("event_type", ["click", "purchase"])
def test_metrics_of_results_by_what_their_metas_say(
    client: TestClient, world: World, event_type: str
) -> None:
    counted = oracle.counted(world, event_type)
    source_of = partial(oracle.value_of, path=SOURCE)
    of_results = "impressions,clicked_impressions,position_ctr,position_adjusted_ctr"
    params = {"event_type": event_type, "limit": 1_000}
    rows = asked(client, "query", metric=of_results, by=SOURCE, **params)["rows"]
    assert_rows({row[SOURCE]: row for row in rows}, oracle.of_results(counted, source_of))
    for source in ("a", "b"):

        def takes(search: Search, position: int, source: str = source) -> bool:
            return source_of(search, position) == source

        found = asked(client, "positions", **params, **{SOURCE: source})["positions"]
        wanted = oracle.of_positions(counted, takes)
        assert_rows({row["position"]: row for row in found}, wanted)
        names = ",".join(next(iter(wanted.values())))
        found = asked(client, "query", metric=names, by=f"position,{SOURCE}", **params)["rows"]
        of_source = {row["position"]: row for row in found if row[SOURCE] == source}
        assert_rows(of_source, {place: wanted[place] for place in wanted if place <= 50})
        objects = asked(client, "objects", **params, **{SOURCE: source})["objects"]
        assert_rows({row["object_id"]: row for row in objects}, oracle.of_objects(counted, takes))
        overview = asked(client, "overview", event_type=event_type, **{SOURCE: source})
        for name, pair in oracle.of_searches_that_showed(counted, takes).items():
            if name in overview:
                assert_pair(overview, name, pair)


def assert_rows(
    rows: Mapping[Any, dict[str, Any]], wanted: Mapping[Any, Mapping[str, Pair]]
) -> None:
    """Each has these metrics."""
    assert rows.keys() == wanted.keys()
    for key, metrics in wanted.items():
        for name, pair in metrics.items():
            assert_pair(rows[key], name, pair)


def test_lists_of_queries(client: TestClient, world: World) -> None:
    by_query: dict[str, list[Counted]] = defaultdict(list)
    counted = oracle.counted(world, "click")
    for each in counted:
        by_query[each.search.query].append(each)
    with_click = {text: sum(bool(c.goals) for c in some) for text, some in by_query.items()}
    overall = sum(with_click.values()) / len(counted)
    wanted = {
        "no_result": {text for text, some in by_query.items() if any(not c.shown for c in some)},
        "no_click": {
            text
            for text, some in by_query.items()
            if (shown := [c for c in some if c.shown]) and not any(c.goals for c in shown)
        },
        "low_ctr": {
            text
            for text, some in by_query.items()
            if binomtest(with_click[text], len(some)).proportion_ci(method="wilson").high < overall
        },
    }
    assert "x" in wanted["low_ctr"] or _SESSIONS < 200  # nobody clicks there
    for name, texts in wanted.items():
        rows = every_page(client, "queries", "queries", list=name, min_sessions=1)
        assert {row["search_query"] for row in rows} == texts, name


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    "params",
    [
        {"list": "top"},
        {"list": "no_result"},
        {"list": "no_click"},
        {"list": "no_click", "min_sessions": 1},
        {"list": "low_ctr"},
        {"list": "rising", "from": NOON_MS + DAY_MS, "to": NOON_MS + 2 * DAY_MS},
        {"order": "clicks"},
    ],
)
def test_a_page_is_the_same_when_few_buckets_of_texts_are_read(
    client: TestClient, params: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [asked(client, "queries", limit=n, **params) for n in (3, 20)]
    for most in (1, 5):
        monkeypatch.setattr("api.metrics.sql.MOST_BUCKETS", most)
        monkeypatch.setattr("api.metrics.sql.MOST_SMALL_BUCKETS", most)
        assert [asked(client, "queries", limit=n, **params) for n in (3, 20)] == whole


def hashes(settings: Settings, texts: Sequence[str]) -> dict[str, int]:
    """sipHash64 of each."""
    with connect(settings) as sql:
        found = sql.query(
            "SELECT text, sipHash64(text) FROM (SELECT arrayJoin({texts:Array(String)}) AS text)",
            parameters={"texts": texts},
        )
    return dict(found.result_rows)


def test_a_sample_is_of_whole_searches(
    client: TestClient, world: World, module_settings: Settings
) -> None:
    every = [each.search for each in oracle.counted(world, "click")]
    hashed = hashes(module_settings, [search.session_id for search in every])
    body = asked(client, "objects", one_of=2, limit=1_000)
    shown = sum(len(s.results) for s in every if hashed[s.session_id] <= (2**64 - 1) // 2)
    assert sum(row["impressions"] for row in body["objects"]) == shown
    assert (body["sample"]["one_of"], body["sample"]["of"]) == (2, "searches")


def test_a_sample_of_typing_runs_is_of_whole_users(
    client: TestClient, world: World, module_settings: Settings
) -> None:
    every = oracle.counted(world, "click")
    units = [each.search.user_id or each.search.session_id for each in every]
    hashed = hashes(module_settings, units)
    mine = [each for each, unit in zip(every, units, strict=True) if hashed[unit] % 2 == 0]
    body = asked(client, "query", metric="intents", one_of=2)
    assert_pair(body["rows"][0], "intents", oracle.of_sessions(mine)["intents"])
    assert (body["sample"]["one_of"], body["sample"]["of"]) == (2, "users")


@pytest.mark.usefixtures("world")
def test_the_views_of_sql_give_the_same(client: TestClient, module_settings: Settings) -> None:
    body = asked(client, "overview")
    with connect(module_settings) as sql:
        found = sql.query(
            "SELECT * FROM metrics_overview(from_ms = 0, to_ms = 1800000000000,"
            " relevance = 'exclude', event_type = 'click')"
        )
        (row,) = found.named_results()
    assert row["session_ctr"] == body["session_ctr"]
    assert row["mean_reciprocal_rank"] == body["mean_reciprocal_rank"]
    for name, number in row.items():
        if name in body and name != "reciprocal_ranks":
            assert body[name] == pytest.approx(number, rel=1e-12), name
