"""Every query on docs/sql.md runs, and finds what it is there to find."""

from __future__ import annotations

import re
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from core.clickhouse.client import connect
from tests.e2e.process_pair import ProcessPair

pytestmark = pytest.mark.engines

PAGE = Path(__file__).parents[2] / "docs" / "sql.md"
(
    RATES, FRUITLESS, BY_DAY, BY_SOURCE, NDCG, NEVER, PAIRS, LATENCY, SOME_SEARCHES, SOME_USERS,
    FIRST_TEXTS, TYPES, WAITING, TWICE,
) = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)  # fmt: skip


@pytest.fixture(scope="module")
def told(pair: ProcessPair) -> ProcessPair:
    """Two searches: `a, b, c` with a click on b, and one without a click. An event that waits."""
    results = [{"object_id": name} for name in "abc"]
    for session_id, query in (("s1", "tent"), ("s2", "lamp")):
        body = {"session_id": session_id, "search_query": query, "search_results": results}
        pair.post("/session", {**body, "search_meta": {"latency_ms": 20}})
    for session_id in ("s1", "unknown"):
        click = {"event_id": "e", "object_id": "b", "created_at": 1_700_000_000_000}
        pair.post("/session/events", {"session_id": session_id, "events": [click]})
    pair.catch_up()
    return pair


def ask(pair: ProcessPair, query: str) -> list[tuple[Any, ...]]:
    with connect(pair.settings) as client:
        return [tuple(row) for row in client.query(query).result_rows]


def test_rates_by_position(told: ProcessPair) -> None:
    assert ask(told, RATES) == [(1, 2, 0, 0.0), (2, 2, 1, 0.5), (3, 2, 0, 0.0)]


def test_queries_without_a_click(told: ProcessPair) -> None:
    assert ask(told, FRUITLESS) == [("lamp", 1, 1), ("tent", 1, 0)]


def test_ctr_by_day_and_device(told: ProcessPair) -> None:
    ((_, device, searches, session_ctr),) = ask(told, BY_DAY)
    assert (device, searches, session_ctr) == ("", 2, 0.5)


def test_ctr_by_source_of_the_result(told: ProcessPair) -> None:
    assert ask(told, BY_SOURCE) == [("", 6, 1 / 6)]  # no path is declared


def test_any_metric_of_the_catalogue(told: ProcessPair) -> None:
    ((sort_field, ndcg_10, reformulation_rate),) = ask(told, NDCG)
    assert (sort_field, round(ndcg_10, 4)) == ("", 0.6309)
    assert isnan(reformulation_rate)  # nobody has a user_id


def test_objects_that_are_never_clicked(told: ProcessPair) -> None:
    assert ask(told, NEVER) == [("a", 2), ("c", 2)]


def test_training_pairs(told: ProcessPair) -> None:
    assert ask(told, PAIRS) == [("tent", "b", "a")]


def test_metas(told: ProcessPair) -> None:
    assert ask(told, LATENCY) == [(20.0,)]


def test_a_part_of_a_large_range(told: ProcessPair) -> None:
    every = SOME_SEARCHES.replace("50", "1")
    assert sorted(ask(told, every)) == [("a", 2, 0.0), ("b", 2, 0.5), ("c", 2, 0.0)]
    assert len(ask(told, SOME_SEARCHES)) in {0, 3}  # of two searches one in fifty
    ((rate,),) = ask(told, SOME_USERS)
    assert isnan(rate)  # nobody has a user_id


def test_first_texts(told: ProcessPair) -> None:
    assert sorted(ask(told, FIRST_TEXTS)) == [("lamp", 1, 0.0), ("tent", 1, 1.0)]


def test_tables_with_final(told: ProcessPair) -> None:
    assert ask(told, TYPES) == [("click", 1)]


def test_events_that_wait(told: ProcessPair) -> None:
    ((session_id, event_type, age_seconds),) = ask(told, WAITING)
    assert (session_id, event_type) == ("unknown", "click")
    assert age_seconds >= 0


def test_no_key_is_read_twice(told: ProcessPair) -> None:
    assert ask(told, TWICE) == []
