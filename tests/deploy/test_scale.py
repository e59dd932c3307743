"""The model behind docs/scale.md. That the page is what it says, `test_house.py` checks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from docs.write_scale import ASSUMED, MEASURED, RATES, plan_for
from tests.deploy.shell import ROOT

RESULTS = "benchmarks/RESULTS.md"


@pytest.mark.parametrize("rate", RATES)
def test_a_plan_bears_its_rate_and_says_what_gives_way_first(rate: float) -> None:
    plan = plan_for(rate)
    assert plan.limits == tuple(sorted(plan.limits, key=lambda limit: limit[1]))
    assert plan.first_limit[1] >= rate / ASSUMED.load * 0.999
    assert plan.partitions >= 2 * plan.workers
    assert plan.parts <= max(ASSUMED.parts, 2 * MEASURED.parts)


def test_more_events_never_need_less() -> None:
    for less, more in pairwise(plan_for(rate) for rate in (1_000, 3_000, 60_000, 400_000, 2e6)):
        for name in ("edges", "workers", "partitions", "brokers", "shards", "dollars"):
            assert getattr(more, name) >= getattr(less, name)


def test_more_shards_do_not_make_fewer_parts() -> None:
    small, large = (plan_for(1e6, a=replace(ASSUMED, shard_cores=cores)) for cores in (4, 16))
    assert small.shards > large.shards
    assert small.parts == large.parts


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (RESULTS, "Edge, one event, CPU a request; p99 | ≤ 58 µs; ≤ 20 ms | **127**"),
        (RESULTS, "Edge, a session with 20 results (190 µs)"),
        (RESULTS, "(4.06 and 4.48 µs an event in the short form"),
        (RESULTS, "| 107 M, two workers | 5.04 | 13.5 |"),
        (RESULTS, "… wall rate | ≥ 120 k/s | 176 k/s; later 128"),
        (RESULTS, "until the records of a\n  millisecond went over together: 25 µs"),
        (RESULTS, "the worker's CPU 91 → 62 µs an event"),
        (RESULTS, "… parts created | ≤ 8/s | 7.5"),
        (RESULTS, "Storage, an event, a shown result | ≤ 60, 12 B | 37.1, 10.6"),
        (RESULTS, "Memory of an edge, of a worker, a minute each: peak | ≤ 200, 600 MB | 149, 574"),
        ("docs/operations.md", "32 MiB: 27 million stored\n  sessions"),
        ("docs/operations.md", "some 7,000 events, or 1,300 lists of twenty"),
        ("docs/performance.md", "100 a session for the facts"),
    ],
)
def test_measured_numbers_stand_where_the_model_takes_them_from(page: str, text: str) -> None:
    assert text in (ROOT / page).read_text("utf-8")
