"""The 200 of a mark means that every number has it: endpoints and views, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core import clickhouse

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from tests.e2e.process_pair import ProcessPair

pytestmark = pytest.mark.engines

_ROUNDS = 8
_VIEWS = {
    "relevant_sessions": "SELECT count() FROM relevant_sessions",
    "relevant_events": "SELECT count() FROM relevant_events",
    "impressions": "SELECT count() FROM impressions WHERE position = 2",
    "session_outcomes": "SELECT sum(clicks) FROM session_outcomes",
    "analytics_daily": "SELECT sum(sessions) FROM analytics_daily",
    "analytics_queries": "SELECT sum(clicks) FROM analytics_queries",
    "analytics_positions": "SELECT sum(clicked_impressions) FROM analytics_positions",
}


def numbers(pair: ProcessPair, sql: Client) -> dict[str, int]:
    """Each is the number of sessions that count, as all have one event, a click on their second
    result. Nothing waits for anything."""
    overview = pair.get_at_once("/analytics/overview").json()
    (query,) = pair.get_at_once("/analytics/queries").json()["queries"] or [{"clicks": 0}]
    positions = pair.get_at_once("/analytics/positions").json()["positions"]
    return {
        **{name: overview[name] for name in ("sessions", "events", "clicks")},
        "query": query["clicks"],
        "position": sum(each["clicked_impressions"] for each in positions),
        **{view: sql.query(query).result_rows[0][0] for view, query in _VIEWS.items()},
    }


def test_a_marked_session_is_in_no_number_once_the_mark_is_answered(pair: ProcessPair) -> None:
    for n in range(_ROUNDS):
        session = {
            "session_id": f"s{n}",
            "search_query": "boots",
            "search_results": [{"object_id": "a"}, {"object_id": "b"}],
        }
        click = {
            "event_id": "e",
            "object_id": "b",
            "event_type": "click",
            "created_at": 1701012350000,
        }
        events = {"session_id": f"s{n}", "events": [click]}
        assert pair.post("/session", session).is_success
        assert pair.post("/session/events", events).is_success
    pair.catch_up()
    with clickhouse.connect(pair.settings) as sql:
        assert set(numbers(pair, sql).values()) == {_ROUNDS}
        for n in range(_ROUNDS):
            mark(pair, f"s{n}", irrelevant=True)
            assert set(numbers(pair, sql).values()) == {_ROUNDS - n - 1}
        for n in range(_ROUNDS):
            mark(pair, f"s{n}", irrelevant=False)
            assert set(numbers(pair, sql).values()) == {n + 1}


def mark(pair: ProcessPair, session_id: str, *, irrelevant: bool) -> None:
    body = {"session_id": session_id, "irrelevant": irrelevant}
    assert pair.post("/session/irrelevant", body).status_code == 200
