"""Without the schema registry everything that runs goes on; what starts waits for it."""

from __future__ import annotations

import time

import pytest

from core.health_probe import listens
from tests.faults.lab.faults import kill
from tests.faults.lab.health import health_of, until
from tests.faults.lab.plan import seconds
from tests.faults.lab.report import Table
from tests.faults.lab.system import Lab

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1_800)]

CAUGHT_UP_RECORDS = 1_000
CAUGHT_UP_SECONDS = 60.0
STARTS_SECONDS = 60.0


def test_registry_down_stops_nobody_but_newcomers(lab: Lab, table: Table) -> None:
    length, newcomer = seconds(1, 5), lab.fleet.workers[0]
    with lab.traffic("registry") as traffic:
        time.sleep(1)
        lab.engines.registry.kill()
        try:
            deaths = len(lab.keeper.deaths)
            kill(newcomer)
            until(lambda: len(lab.keeper.deaths) > deaths, STARTS_SECONDS)
            until(lambda: _listens(newcomer.url), STARTS_SECONDS)
            time.sleep(length)
            waiting = health_of(newcomer)
        finally:
            lab.engines.registry.start()
        back_at = time.monotonic()
        until(lambda: health_of(newcomer).is_ready, STARTS_SECONDS)
        recovery = lab.watch.recovery(back_at, CAUGHT_UP_RECORDS, CAUGHT_UP_SECONDS)
    verdict = lab.verdict(traffic)
    table.add(
        f"registry down {length:.0f} s, and a worker killed meanwhile",
        1,
        traffic,
        verdict,
        recovery,
    )
    assert waiting.waits, waiting
    assert "registry" in waiting.said
    assert traffic.answers.refused == 0
    assert verdict.is_clean, verdict
    traffic.answers.check(within_seconds=6)


def _listens(url: str) -> bool:
    return listens(url.removeprefix("http://"), timeout_seconds=1)
