"""Workers die at any moment: nothing acknowledged is lost or doubled, and others take over."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.lab.faults import freeze, kill
from tests.faults.lab.plan import times
from tests.faults.lab.report import Table
from tests.faults.lab.system import Lab

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1_800)]

CAUGHT_UP_RECORDS = 1_000
CAUGHT_UP_SECONDS = 30.0
# The lag has to grow before it can shrink: nobody reads what the dead worker had until its session
# has timed out.
NOT_YET_SECONDS = 2.0
# Beyond the session timeout of 8 s: others have taken over when it goes on.
FROZEN_SECONDS = 11.0


def test_killed_workers_lose_and_double_nothing(lab: Lab, table: Table) -> None:
    kills, chance, worst = times(20, short=1), random.Random(1), 0.0
    with lab.traffic("killed") as traffic:
        for _ in range(kills):
            time.sleep(chance.uniform(1, 2))
            begun = time.monotonic() + NOT_YET_SECONDS
            kill(chance.choice(lab.fleet.workers))
            recovery = lab.watch.recovery(begun, CAUGHT_UP_RECORDS, CAUGHT_UP_SECONDS)
            worst = max(worst, recovery + NOT_YET_SECONDS)
    verdict = lab.verdict(traffic)
    table.add("kill -9 a worker", kills, traffic, verdict, worst)
    assert verdict.is_clean, verdict
    traffic.answers.check(within_seconds=6)


def test_a_worker_that_comes_back_from_the_dead_harms_nothing(lab: Lab, table: Table) -> None:
    """It believes that its partitions are still its own, and writes what it holds."""
    revivals, worst = times(5, short=1), 0.0
    with lab.traffic("frozen") as traffic:
        for number in range(revivals):
            time.sleep(1)
            workers = lab.fleet.workers
            freeze(workers[number % len(workers)], FROZEN_SECONDS)
            back_at = time.monotonic()
            recovery = lab.watch.recovery(back_at, CAUGHT_UP_RECORDS, CAUGHT_UP_SECONDS)
            worst = max(worst, recovery)
    verdict = lab.verdict(traffic)
    table.add(
        f"a worker frozen {FROZEN_SECONDS:.0f} s, while others take over",
        revivals,
        traffic,
        verdict,
        worst,
    )
    assert verdict.is_clean, verdict
