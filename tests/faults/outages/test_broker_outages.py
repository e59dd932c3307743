"""The broker dies or stays away: callers are told in time, and nothing acknowledged is lost."""

from __future__ import annotations

import signal
import time

import pytest

from tests.faults.lab.faults import kill, kill_engine
from tests.faults.lab.health import health_of
from tests.faults.lab.plan import seconds, times
from tests.faults.lab.report import Table
from tests.faults.lab.system import Lab

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1_800)]

CAUGHT_UP_RECORDS = 1_000
CAUGHT_UP_SECONDS = 180.0
# The edge waits five seconds for Kafka; a busy machine adds to that.
ANSWERED_SECONDS = 7.0


def test_broker_killed_again_and_again(lab: Lab, table: Table) -> None:
    kills, worst, deaths = times(10, short=1), 0.0, list(lab.keeper.deaths)
    with lab.traffic("broker-killed") as traffic:
        for _ in range(kills):
            time.sleep(2)
            kill_engine(lab.engines.kafka)
            back_at = time.monotonic()
            recovery = lab.watch.recovery(back_at, CAUGHT_UP_RECORDS, CAUGHT_UP_SECONDS)
            worst = max(worst, recovery)
    verdict = lab.verdict(traffic)
    table.add(
        "kill -9 the broker",
        kills,
        traffic,
        verdict,
        worst,
        f"{traffic.answers.refused:,} refused, slowest {traffic.answers.slowest_seconds:.1f} s",
    )
    assert verdict.is_clean, verdict
    traffic.answers.check(ANSWERED_SECONDS)
    assert lab.keeper.deaths == deaths


def test_broker_down_and_the_edge_killed_meanwhile(lab: Lab, table: Table) -> None:
    length, deaths = seconds(5, 10), list(lab.keeper.deaths)
    with lab.traffic("broker-down") as traffic:
        time.sleep(3)
        begun = time.monotonic()
        lab.engines.kafka.kill()
        try:
            time.sleep(length)
            health = {each.name: health_of(each) for each in (lab.edge, *lab.fleet.workers)}
        finally:
            lab.engines.kafka.start()
        back_at = time.monotonic()
        recovery = lab.watch.recovery(back_at, CAUGHT_UP_RECORDS, CAUGHT_UP_SECONDS)
        growth = lab.watch.rss_growth("edge", begun, back_at)
        kill(lab.edge)
        time.sleep(5)
    verdict = lab.verdict(traffic)
    table.add(
        f"broker down {length:.0f} s, then kill -9 the edge",
        1,
        traffic,
        verdict,
        recovery,
        f"{traffic.answers.refused:,} refused, slowest {traffic.answers.slowest_seconds:.1f} s,"
        f" RSS of the edge {growth:+.0%}",
    )
    assert verdict.is_clean, verdict
    assert traffic.answers.refused > 0
    assert all(each.waits and "Kafka does not answer" in each.said for each in health.values()), (
        health
    )
    traffic.answers.check(ANSWERED_SECONDS)
    assert lab.keeper.deaths == [*deaths, ("edge", -signal.SIGKILL)], "nobody else has died"
