"""ClickHouse dies, freezes, stays away or has no room: workers wait, keep their places, go on."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from clickstream.local.processes.service import Service
from tests.faults.lab.faults import freeze, full_disk, kill_engine, outage
from tests.faults.lab.health import health_of, until
from tests.faults.lab.plan import seconds, times
from tests.faults.lab.report import Table
from tests.faults.lab.system import Lab

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1_800)]

CAUGHT_UP_RECORDS = 1_000
CAUGHT_UP_SECONDS = 180.0
RSS_GROWTH = 0.1
# A process that has just begun takes memory for its first flushes; what counts is what comes after.
WARM_SECONDS = 10.0


def members(lab: Lab) -> set[str]:
    return set(lab.fleet.shares())


def test_clickhouse_killed_again_and_again(lab: Lab, table: Table) -> None:
    kills, worst, deaths = times(10, short=1), 0.0, list(lab.keeper.deaths)
    with lab.traffic("ch-killed") as traffic:
        for _ in range(kills):
            time.sleep(2)
            kill_engine(lab.engines.clickhouse)
            back_at = time.monotonic()
            recovery = lab.watch.recovery(back_at, CAUGHT_UP_RECORDS, CAUGHT_UP_SECONDS)
            worst = max(worst, recovery)
    verdict = lab.verdict(traffic)
    table.add("kill -9 ClickHouse", kills, traffic, verdict, worst)
    assert verdict.is_clean, verdict
    traffic.answers.check(within_seconds=6)
    assert lab.keeper.deaths == deaths


@pytest.mark.parametrize(
    ("fault", "length"),
    [(freeze, seconds(2, 8)), (outage, seconds(10, 10))],
    ids=["frozen", "down"],
)
def test_clickhouse_away_for_long(
    lab: Lab, table: Table, fault: Callable[[Service, float], None], length: float
) -> None:
    deaths, before = list(lab.keeper.deaths), members(lab)
    with lab.traffic(f"ch-{fault.__name__}") as traffic:
        time.sleep(WARM_SECONDS)
        begun = time.monotonic()
        fault(lab.engines.clickhouse, length)
        back_at = time.monotonic()
        recovery = lab.watch.recovery(back_at, CAUGHT_UP_RECORDS, CAUGHT_UP_SECONDS)
        growth = max(
            lab.watch.rss_growth(name, begun, back_at)
            for name in ("edge", *(worker.name for worker in lab.fleet.workers))
        )
    verdict = lab.verdict(traffic)
    table.add(
        f"ClickHouse {'frozen' if fault is freeze else 'down'} {length:.0f} s",
        1,
        traffic,
        verdict,
        recovery,
        f"RSS at most {growth:+.0%}",
    )
    assert verdict.is_clean, verdict
    traffic.answers.check(within_seconds=6)
    assert growth < RSS_GROWTH
    assert lab.keeper.deaths == deaths
    assert members(lab) == before, "the workers have kept their places in the group"


def test_full_disk_pauses_the_workers_who_say_so(lab: Lab, table: Table) -> None:
    deaths = list(lab.keeper.deaths)

    def all_say_it() -> bool:
        return all(
            health.waits and "its disk is full" in health.said
            for health in map(health_of, lab.fleet.workers)
        )

    with lab.traffic("ch-full") as traffic:
        with full_disk(lab):
            until(all_say_it, within_seconds=60)
        back_at = time.monotonic()
        recovery = lab.watch.recovery(back_at, CAUGHT_UP_RECORDS, CAUGHT_UP_SECONDS)
        until(lambda: all(health_of(worker).is_ready for worker in lab.fleet.workers), 30)
    verdict = lab.verdict(traffic)
    table.add("ClickHouse's disk full", 1, traffic, verdict, recovery)
    assert verdict.is_clean, verdict
    traffic.answers.check(within_seconds=6)
    assert lab.keeper.deaths == deaths
