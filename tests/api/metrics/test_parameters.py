"""Parameters of questions that are wrong, and what is put together of those that are right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from api.component import ReadComponent
from api.metrics.catalogue import BY_NAME, METRICS, Source, dimensions_of, source_of
from api.metrics.cursors import Place
from api.metrics.question import Filters, Question, Ranking
from api.metrics.sql import bucket_statement, statement
from clickstream.operations.erasure.eraser import eraser_of
from core.http.app import build_app
from tests.api.test_erase import NOWHERE
from tests.local_client import LocalClient

KEY = {"X-API-Key": "a-key"}
SOURCE = "search_results.meta.source"
DECLARED = NOWHERE.model_copy(update={"dimensions": ("search_meta.device", SOURCE)})
YEAR = {"from": "2025-01-01", "to": "2026-01-01"}
QUESTION = Question(
    metrics=[BY_NAME["session_ctr"]],
    source=Source.SESSIONS,
    times=(0, 1),
    relevance="exclude",
    event_types=["click"],
    by=["search_query"],
)


@pytest.fixture(scope="module")
def nowhere() -> Iterator[LocalClient]:
    component = ReadComponent(DECLARED, eraser_of(DECLARED))
    with LocalClient(build_app(DECLARED, [component])) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "params", "place", "says"),
    [
        ("query", {}, "query.metric", ""),
        ("query", {"metric": "sesion_ctr"}, "query.metric", "did you mean session_ctr?"),
        ("query", {"metric": "revenue"}, "query.metric", "is not known"),
        ("query", {"metric": "CTR"}, "query.metric", "did you mean session_ctr?"),
        ("query", {"metric": "click_through_rate"}, "query.metric", "session_ctr?"),
        ("query", {"metric": "sessions,"}, "query.metric", "empty name"),
        ("query", {"metric": "sessions", "by": "query"}, "query.by", "search_query?"),
        ("query", {"metric": "sessions", "by": "day"}, "query.by", "granularity=day"),
        ("query", {"metric": "sessions", "by": "search_meta.browser"}, "query.by",
         "declared in CLICKSTREAM_DIMENSIONS"),
        ("query", {"metric": "sessions", "by": "device"}, "query.by", "search_meta.device?"),
        ("query", {"metric": "sessions", "by": "Search_Query"}, "query.by", "search_query?"),
        ("query", {"metric": "sessions", "by": "position"}, "query.by", "sessions cannot be"),
        ("query", {"metric": "examination_rate"}, "query.metric", "by one of position"),
        ("query", {"metric": "position_ctr", "by": "position,object_id"}, "query.by", "one of"),
        ("query", {"metric": "sessions,position_adjusted_ctr"}, "query.metric", "object_id"),
        ("query", {"metric": "sessions", "search_meta.devic": "x"}, "query.search_meta.devic",
         "did you mean search_meta.device?"),
        ("query", {"metric": "sessions", "query_regex": "("}, "query.query_regex", "regular"),
        ("query", {"metric": "sessions", "query_regex": "a" * 201}, "query.query_regex", ""),
        ("query", {"metric": "sessions", "by": "user_id", "cursor": "x"}, "query.cursor",
         "no cursor"),
        ("query", {"metric": "sessions", "by": "user_id", "order": "users"}, "query.order",
         "none of the metrics that are asked for: sessions"),
        ("query", {"metric": "position_ctr", "by": "position", "order": "position_ctr"},
         "query.order", "from the top"),
        ("query", {"metric": "position_ctr", "by": "object_id", "min_sessions": "2"},
         "query.min_sessions", "groups of searches"),
        ("query", {"metric": "sessions", "compare": "previous"}, "query.from", "is needed"),
        ("query", {"metric": "sessions", "compare": "previous", "from": "1980-01-01",
                   "to": "2020-01-01"}, "query.from", "before it"),
        ("query", {"metric": "sessions", "granularity": "minute"}, "query.granularity", ""),
        ("query", {"metric": "sessions", "by": "event_type", "event_type": ","},
         "query.event_type", "1 to 8"),
        ("query", {"metric": "sessions", "event_type": "click,purchase"},
         "query.event_type", "by=event_type"),
        ("query", {"metric": "sessions", "by": "brand"}, "query.by", "CLICKSTREAM_DIMENSIONS"),
        ("query", {"metric": "sessions", "search_meta.browser": "x"},
         "query.search_meta.browser", "CLICKSTREAM_DIMENSIONS"),
        ("queries", {"payload_filter.task": "x"}, "query.payload_filter.task",
         "CLICKSTREAM_DIMENSIONS"),
        ("query", {"metric": "session_ctr,position_ctr", "by": SOURCE}, "query.by",
         "session_ctr counts searches, and search_results.meta.source tells results apart: ask for "
         "impressions, clicked_impressions, position_ctr,"),
        ("query", {"metric": "examination_rate", "by": SOURCE}, "query.metric",
         "grouped by one of position"),
        ("query", {"metric": "position_ctr", "by": "source"}, "query.by", f"mean {SOURCE}?"),
        ("query", {"metric": "sessions", "search_results.meta.sourc": "x"},
         "query.search_results.meta.sourc", f"mean {SOURCE}?"),
        ("positions", {"one_of": "2"}, "query.one_of", "filters by paths of results"),
        ("query", {"metric": "sessions,unjoined_events"}, "query.metric", "by itself"),
        ("query", {"metric": "waiting_events"}, "query.metric", "mean unjoined_events?"),
        ("query", {"metric": "freshness_seconds", "by": "user_id"}, "query.by", "of now"),
        ("query", {"metric": "dead_letters", "from": "2025-01-01"}, "query.from", "of now"),
        ("series", {**YEAR, "metric": "dead_letters"}, "query.metric", "/analytics/query"),
        ("query", {"metric": "clicks,dwell_ms", "shape": "quantiles"}, "query.metric", "is one"),
        ("query", {"metric": "session_ctr", "shape": "distribution"}, "query.metric", "there are"),
        ("query", {"metric": "dwell_ms", "shape": "distribution", "granularity": "day", **YEAR},
         "query.granularity", "shape=table"),
        ("query", {"metric": "dwell_ms", "shape": "histogram"}, "query.shape", ""),
        ("series", {}, "query.from", "is needed"),
        ("series", {"from": "2025-01-01", "to": "2025-01-01"}, "query.to", "needs a range"),
        ("series", {**YEAR, "granularity": "hour"}, "query.granularity", "2,000 steps"),
        ("series", {**YEAR, "time_zone": "Europe/Berlln"}, "query.time_zone", "Europe/Berlin?"),
        ("series", {**YEAR, "time_zone": "new york"}, "query.time_zone", "America/New_York?"),
        ("series", {**YEAR, "time_zone": "x"}, "query.time_zone", "such as Europe/Berlin"),
        ("queries", {"list": "rising"}, "query.from", "is needed"),
        ("queries", {"list": "best"}, "query.list", ""),
        ("queries", {"list": "top", "order": "sessions"}, "query.order", "cannot both"),
        ("funnel", {"steps": "a,b,c,d,e,f,g,h,i"}, "query.steps", "1 to 8"),
        ("objects", {"min_impressions": "0"}, "query.min_impressions", ""),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named_before_anything_is_asked(
    nowhere: LocalClient, path: str, params: dict[str, str], place: str, says: str
) -> None:
    answer = nowhere.get(f"/analytics/{path}", params=params, headers=KEY)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["path"] == place
    assert says in error["message"]


def routes_with(client: LocalClient, parameter: str) -> list[tuple[str, list[str]]]:
    """Paths of GET with this query parameter, each with its required ones."""
    described = client.get("/openapi.json", headers=KEY).json()
    return [
        (path, [each["name"] for each in parameters if each.get("required")])
        for path, methods in described["paths"].items()
        if (parameters := methods.get("get", {}).get("parameters"))
        and parameter in [each["name"] for each in parameters]
    ]


def words_of(schema: dict[str, Any], parts: dict[str, Any]) -> list[str]:
    """What a parameter may be, when these are a few words."""
    for each in (schema, *schema.get("anyOf", ())):
        named = parts[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        if "enum" in named:
            return list(named["enum"])
    return []


def test_who_misspells_a_word_is_told_the_one_that_was_meant(nowhere: LocalClient) -> None:
    described = nowhere.get("/openapi.json", headers=KEY).json()
    tried = set()
    for path, methods in described["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", ()):
            for word in words_of(parameter["schema"], described["components"]["schemas"]):
                meant = word.replace("_", "") if "_" in word else f"{word}x"
                answer = nowhere.get(path, params={parameter["name"]: meant}, headers=KEY)
                if answer.status_code == 503:
                    continue  # an export asks for its watermark first
                messages = [each["message"] for each in answer.json()["errors"]]
                assert any(f"mean {word}?" in each for each in messages), (path, meant, messages)
                tried.add((path, parameter["name"]))
    assert ("/analytics/queries", "list") in tried
    assert len(tried) > 20


def test_a_list_of_event_types_is_never_counted_as_one_type(nowhere: LocalClient) -> None:
    routes = routes_with(nowhere, "event_type")
    assert len(routes) > 9
    for path, required in routes:
        if path == "/events/tail":
            continue  # shows events of each of them
        params = {**dict.fromkeys(required, "sessions"), "event_type": "click,purchase"}
        answer = nowhere.get(path, params=params, headers=KEY)
        assert answer.status_code == 422, path
        places = [each["path"] for each in answer.json()["errors"]]
        assert "query.event_type" in places, (path, answer.text)


def test_the_catalogue_is_served_with_what_is_declared(nowhere: LocalClient) -> None:
    body = nowhere.get("/analytics/metrics", headers=KEY).json()
    assert [each["name"] for each in body["metrics"]] == [metric.name for metric in METRICS]
    assert body["declared_dimensions"] == ["search_meta.device", SOURCE]
    of_results = {each["name"] for each in body["metrics"] if SOURCE in each["dimensions"]}
    assert of_results == {"impressions", "clicked_impressions", "position_ctr", "click_share",
                          "examination_rate", "position_adjusted_ctr"}  # fmt: skip
    for each in body["metrics"]:
        is_of_searches = each["kind"] != "now"
        assert ("search_meta.device" in each["dimensions"]) == is_of_searches
        assert ("search_meta.device" in each["filters"]) == is_of_searches
        assert (SOURCE in each["filters"]) == is_of_searches
        assert each["null"]


def test_what_the_catalogue_says_can_be_grouped_by_can_be() -> None:
    for metric in METRICS:
        for name in dimensions_of(metric):
            needed = [name for name in dimensions_of(metric)[:1] if metric.sources[0].value in
                      ("session_positions", "session_objects")]  # fmt: skip
            assert source_of([metric], [*needed, name]) in metric.sources


@pytest.mark.parametrize("source", [Source.SESSIONS, Source.INTENTS])
def test_every_parameter_of_a_statement_has_its_value(source: Source) -> None:
    ranking = Ranking("{sessions}", bound="{sessions}")
    question = replace(
        QUESTION, source=source, ranking=ranking, metrics=[BY_NAME["sessions"]], buckets=[1]
    )
    for asked in (statement(question), bucket_statement(question)):
        named = set(re.findall(r"\{(\w+):", asked.sql))
        assert named <= asked.values.keys(), named - asked.values.keys()


def test_nothing_that_is_sent_is_in_the_text_of_the_statement() -> None:
    evil = "'); DROP TABLE sessions --"
    question = replace(
        QUESTION,
        event_types=[evil],
        by=["search_query", f"search_meta.{evil}", f"search_results.meta.{evil}"],
        filters=Filters(
            evil, evil, evil, (evil,), evil,
            {f"search_meta.{evil}": evil, f"search_results.meta.{evil}": evil},
        ),
        time_zone=evil,
        relevance=evil,
        after=Place(None, None, evil),
    )  # fmt: skip
    for source in (Source.SESSIONS, Source.OBJECTS):
        asked = statement(replace(question, source=source))
        assert "DROP" not in asked.sql
        assert evil in asked.values.values()
