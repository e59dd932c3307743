"""Every analytics endpoint and public view, over a month of traffic and over its last day.

Each is asked once to warm up and then three times, or once, when it is slow. The median of the wall
time counts, and the mean of the CPU time of ClickHouse, which says more on a machine that does
other things: two idle cores halve it at best. The endpoints are asked again after a user was
erased, and again after purchases came late for sessions of the whole month.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpx
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from benchmarks.analytics_questions import (
    ENDPOINTS,
    EXPERIMENTS,
    VIEWS,
    is_filtered,
    is_of_objects,
    parameters_of,
)
from benchmarks.api_process import api_process
from benchmarks.cpu import metered
from benchmarks.lab import Lab
from benchmarks.late_changes import erase_somebody, store_late_purchases
from benchmarks.load_tables import DAYS, EVENTS, MARKED_EVERY, RESULTS, Month, stored_month
from benchmarks.outcome import OURS, Outcome, Target
from benchmarks.script import Benchmark, Size, main
from core import clickhouse

_TIMES: Final = 3
_SLOW_SECONDS: Final = 5.0
_LONGEST_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Took:
    """Of one question: seconds of wall time, and of ClickHouse's CPU time when it is known.
    `refused`: what was said in place of an answer."""

    wall: float
    cpu: float | None
    refused: str = ""

    def __str__(self) -> str:
        cpu = "" if self.cpu is None else f" ({self.cpu:.2f} CPU)"
        return f"{self.wall:.2f}{cpu}{self.refused and f' {self.refused}'}"


Times = Mapping[str, Took]


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks the server whose process is `pid`, if it is ours."""

    http: httpx.Client
    sql: Client
    pid: int | None

    def endpoints(self, from_ms: int, to_ms: int) -> Times:
        """How long each takes for this range."""
        over = {"from": str(from_ms), "to": str(to_ms)}
        return {
            name: self._took(
                name, partial(get, self.http, f"/analytics/{path}", {**params, **over})
            )
            for name, (path, params) in ENDPOINTS.items()
        }

    def views(self, from_ms: int, to_ms: int) -> Times:
        """How long each takes for this range."""
        over = parameters_of(from_ms, to_ms)
        limits = {"max_execution_time": _LONGEST_SECONDS}
        return {
            name: self._took(name, partial(self.sql.query, sql, parameters=over, settings=limits))
            for name, sql in VIEWS.items()
        }

    def _took(self, name: str, ask: Callable[[], Any]) -> Took:
        took = self._measured(ask)
        print(f"{name}: {took}", file=sys.stderr, flush=True)
        return took

    def _measured(self, ask: Callable[[], Any]) -> Took:
        started = time.perf_counter()
        try:
            ask()
            first = time.perf_counter() - started
            walls = []
            with metered({"clickhouse": self.pid} if self.pid else {}) as meter:
                for _ in range(1 if first > _SLOW_SECONDS else _TIMES):
                    started = time.perf_counter()
                    ask()
                    walls.append(time.perf_counter() - started)
        except httpx.HTTPStatusError as error:
            return Took(time.perf_counter() - started, None, str(error.response.status_code))
        except DatabaseError as error:
            return Took(time.perf_counter() - started, None, f"code {error.code}")
        cpu = meter.cpu["clickhouse"] / len(walls) if meter.cpu else None
        return Took(statistics.median(walls), cpu)


def measure_analytics(lab: Lab, size: Size) -> Iterator[Outcome]:
    """Ours, with what each question took in the note: month, then day."""
    with (
        stored_month(lab, size) as (settings, month),
        clickhouse.connect(settings, role="clickstream bench", answer_seconds=120) as sql,
        api_process(lab, settings) as api,
        httpx.Client(base_url=api.url, timeout=120) as http,
    ):
        _check(http, sql, month)
        asker = Asker(http, sql, lab.clickhouse_pid)
        begin, end = month.last_days(DAYS), month.last_days(0)
        whole = {**asker.endpoints(begin, end), **asker.views(begin, end)}
        day = {**asker.endpoints(month.last_days(1), end), **asker.views(month.last_days(1), end)}
        if not erase_somebody(settings, month):
            raise AssertionError("nothing was erased")
        erased = asker.endpoints(begin, end)
        store_late_purchases(settings, month, size)
        late = asker.endpoints(begin, end)
        _check(http, sql, month)
        yield Outcome(
            "analytics",
            OURS,
            {**_figures(whole, day), **_changed(whole, erased, late)},
            "; ".join(
                f"{name} {whole[name]}, {day[name]}"
                + (f", erased {erased[name]}, late {late[name]}" if name in late else "")
                for name in whole
            ),
        )


def _figures(whole: Times, day: Times) -> dict[str, float]:
    plain = {name: took for name, took in whole.items() if name not in EXPERIMENTS}
    figures = {
        "slowest_month_seconds": max(took.wall for took in plain.values()),
        "median_month_seconds": statistics.median(took.wall for took in plain.values()),
        "slowest_day_seconds": max(took.wall for took in day.values()),
        "two_filters_seconds": max(t.wall for name, t in whole.items() if is_filtered(name)),
        "objects_seconds": max(t.wall for name, t in whole.items() if is_of_objects(name)),
        "experiment_seconds": max(whole[name].wall for name in EXPERIMENTS),
        "above_a_second": sum(took.wall > 1 for took in plain.values()),
        "refused": sum(bool(took.refused) for took in whole.values()),
    }
    for name, times in (("month", plain), ("day", day)):
        known = [took.cpu for took in times.values() if took.cpu is not None]
        if known:
            figures[f"slowest_{name}_cpu_seconds"] = max(known)
    return figures


def _changed(before: Times, erased: Times, late: Times) -> dict[str, float]:
    """How many times as much all endpoints took together; in CPU time, if that is known."""

    def total(times: Times) -> float:
        return sum(times[name].cpu or times[name].wall for name in late)

    return {
        "after_erasure_ratio": total(erased) / total(before),
        "after_late_purchases_ratio": total(late) / total(before),
    }


def get(http: httpx.Client, path: str, params: Mapping[str, str]) -> dict[str, Any]:
    """The body of the answer. Raises httpx.HTTPStatusError."""
    answer = http.get(path, params=params)
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body


def _check(http: httpx.Client, sql: Client, month: Month) -> None:
    """The numbers are those of what was loaded and is not marked."""
    counted = get(http, "/analytics/overview", {})
    sessions = month.sessions - len(month.marked)
    ((stored,),) = sql.query("SELECT count() FROM events FINAL").result_rows
    late = stored - month.events  # of none that is marked
    expected = {
        "sessions": sessions,
        "impressions": sessions * RESULTS,
        "events": sessions * EVENTS + late,
        "irrelevant_sessions": month.sessions // MARKED_EVERY,
        "unlisted_events": 0,
    }
    found = {name: counted[name] for name in expected}
    (by_day,) = sql.query("SELECT sum(sessions), sum(events) FROM analytics_daily").result_rows
    if found != expected or tuple(by_day) != (sessions, expected["events"]):
        raise AssertionError(f"{found} and {by_day} by day, but {expected} are stored")


BENCHMARK = Benchmark(
    "analytics",
    measure_analytics,
    (
        Target("slowest_month_seconds", at_most=1),
        Target("slowest_day_seconds", at_most=0.3),
        Target("two_filters_seconds", at_most=1),
        Target("objects_seconds", at_most=1),
        Target("experiment_seconds", at_most=1.5),
        Target("after_erasure_ratio", at_most=1.1),
        Target("after_late_purchases_ratio", at_most=1.1),
    ),
)

if __name__ == "__main__":
    main(BENCHMARK)
