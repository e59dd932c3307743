"""Every analytics endpoint and view over a month of traffic, and over a tenth of it.

Each is asked once to warm up and then three times; the median counts. `growth` is how much longer
the month takes than its tenth, over how much more rows it has: 1 or less is what is wanted.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import httpx
from clickhouse_connect.driver.client import Client

from benchmarks.api_process import api_process
from benchmarks.lab import Lab
from benchmarks.load_tables import DAYS, EVENTS, MARKED_EVERY, RESULTS, Month, stored_month
from benchmarks.outcome import OURS, Outcome, Target
from benchmarks.script import Benchmark, Size, main
from core import clickhouse

_TIMES: Final = 3
_TENTH_DAYS: Final = DAYS // 10

_ENDPOINTS: Final[Mapping[str, Mapping[str, str]]] = {
    "overview": {},
    "queries": {},
    "positions": {},
    "overview of purchases": {"event_type": "purchase"},
    "queries with few clicks": {"list": "low_ctr", "min_sessions": "10"},
    "objects": {},
    "funnel": {"steps": "click,purchase"},
    "query of typing runs": {"metric": "intents,intent_ctr,reformulation_rate"},
    "query of one text": {"metric": "session_ctr,ndcg_10", "query_prefix": "query 1"},
}

# What a person would ask of each view. `{since}` is a condition on session_day.
_VIEWS: Final[Mapping[str, str]] = {
    "relevant_sessions": "SELECT session_day, count() FROM relevant_sessions {since} GROUP BY ALL",
    "relevant_events": "SELECT event_type, count() FROM relevant_events {since} GROUP BY ALL",
    "impressions": "SELECT position, count() FROM impressions {since} GROUP BY ALL",
    "session_outcomes": "SELECT count(), sum(clicks), avg(reciprocal_rank)"
    " FROM session_outcomes {since}",
    "analytics_daily": "SELECT * FROM analytics_daily {since}",
    "analytics_queries": "SELECT search_query, sum(sessions) AS n FROM analytics_queries {since}"
    " GROUP BY search_query ORDER BY n DESC LIMIT 20",
    "analytics_positions": "SELECT position, sum(analytics_positions.clicked_impressions)"
    " FROM analytics_positions {since} GROUP BY position",
}


def measure_analytics(lab: Lab, size: Size) -> Iterator[Outcome]:
    """Ours, with what each question took in the note."""
    with (
        stored_month(lab, size) as (settings, month),
        clickhouse.connect(settings, role="clickstream bench") as sql,
        api_process(lab, settings) as api,
        httpx.Client(base_url=api.url, timeout=120) as http,
    ):
        since_ms = month.last_days(_TENTH_DAYS)
        day = f"toDate(fromUnixTimestamp64Milli({since_ms}, 'UTC'))"
        whole: dict[str, float] = {}
        tenth: dict[str, float] = {}
        for name, params in _ENDPOINTS.items():
            path = f"/analytics/{name.split()[0]}"
            whole[name] = _seconds(partial(_get, http, path, params))
            tenth[name] = _seconds(partial(_get, http, path, {**params, "from": str(since_ms)}))
        for name, query in _VIEWS.items():
            since = f"WHERE session_day >= {day}"
            whole[name] = _seconds(partial(sql.query, query.format(since="")))
            tenth[name] = _seconds(partial(sql.query, query.format(since=since)))
        _check(http, sql, month)
        growth = {name: whole[name] / tenth[name] / (DAYS / _TENTH_DAYS) for name in whole}
        yield Outcome(
            "analytics",
            OURS,
            {
                "slowest_seconds": max(whole.values()),
                "median_seconds": statistics.median(whole.values()),
                "most_growth": max(growth.values()),
            },
            "; ".join(f"{name} {whole[name]:.2f} s, {tenth[name]:.2f} s" for name in whole),
        )


def _seconds(ask: Callable[[], Any]) -> float:
    ask()
    times = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        ask()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _get(http: httpx.Client, path: str, params: Mapping[str, str]) -> dict[str, Any]:
    answer = http.get(path, params=params)
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body


def _check(http: httpx.Client, sql: Client, month: Month) -> None:
    """The numbers are those of what was loaded and is not marked."""
    counted = _get(http, "/analytics/overview", {})
    sessions = month.sessions - len(month.marked)
    expected = {
        "sessions": sessions,
        "impressions": sessions * RESULTS,
        "events": sessions * EVENTS,
        "irrelevant_sessions": month.sessions // MARKED_EVERY,
        "unlisted_events": 0,
    }
    found = {name: counted[name] for name in expected}
    (by_day,) = sql.query("SELECT sum(sessions), sum(events) FROM analytics_daily").result_rows
    if found != expected or tuple(by_day) != (sessions, sessions * EVENTS):
        raise AssertionError(f"{found} and {by_day} by day, but {expected} are stored")


BENCHMARK = Benchmark(
    "analytics",
    measure_analytics,
    (Target("slowest_seconds", at_most=1), Target("most_growth", at_most=1)),
)

if __name__ == "__main__":
    main(BENCHMARK)
