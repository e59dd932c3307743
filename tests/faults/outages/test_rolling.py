"""Processes are stopped and started under load, and workers come and go."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.lab.faults import terminate
from tests.faults.lab.plan import seconds, times
from tests.faults.lab.report import Table
from tests.faults.lab.system import WORKERS, Lab

pytestmark = [pytest.mark.engines, pytest.mark.timeout(2_400)]

LONGEST_STALL_SECONDS = 30.0
LONGEST_FLEET = 5
CAUGHT_UP_RECORDS = 1_000
CAUGHT_UP_SECONDS = 180.0


def test_every_process_drains_in_time(lab: Lab, table: Table) -> None:
    rounds, slowest = times(20, short=1), {"edge": 0.0, "api": 0.0, "worker": 0.0}
    with lab.traffic("sigterm") as traffic:
        for number in range(rounds):
            time.sleep(1)
            worker = lab.fleet.workers[number % WORKERS]
            # The edge last: as long as it is there, the others have something to finish.
            ended = {"worker": worker, "api": lab.api, "edge": lab.edge}
            for role, service in ended.items():
                slowest[role] = max(slowest[role], terminate(lab, service))
            for service in ended.values():
                service.wait()
    verdict = lab.verdict(traffic)
    table.add(
        "SIGTERM of edge, api and a worker",
        3 * rounds,
        traffic,
        verdict,
        notes="slowest end: " + ", ".join(f"{role} {took:.1f} s" for role, took in slowest.items()),
    )
    assert verdict.is_clean, verdict
    traffic.answers.check(within_seconds=6)


def test_processes_drain_while_kafka_and_clickhouse_are_down(lab: Lab, table: Table) -> None:
    """What cannot be finished is given up in time; callers were told that it was not stored."""
    servers, slowest = (lab.engines.kafka, lab.engines.clickhouse), {}
    with lab.traffic("sigterm-down") as traffic:
        time.sleep(2)
        try:
            for server in servers:
                server.kill()
            time.sleep(2)
            for service in (lab.edge, lab.api, lab.fleet.workers[0]):
                slowest[service.name] = terminate(lab, service)
        finally:
            for server in servers:
                server.start()
        back_at = time.monotonic()
        recovery = lab.watch.recovery(back_at, CAUGHT_UP_RECORDS, CAUGHT_UP_SECONDS)
    verdict = lab.verdict(traffic)
    table.add(
        "SIGTERM of edge, api and a worker while Kafka and ClickHouse are down",
        3,
        traffic,
        verdict,
        recovery,
        ", ".join(f"{name} {took:.1f} s" for name, took in slowest.items()),
    )
    assert verdict.is_clean, verdict
    traffic.answers.check(within_seconds=7)


def test_rebalances_lose_and_double_nothing(lab: Lab, table: Table) -> None:
    changes, chance = times(100, short=3), random.Random(6)
    pause = seconds(20, 0) / changes
    with lab.traffic("rebalance") as traffic:
        begun = time.monotonic()
        for _ in range(changes):
            next_at = time.monotonic() + pause
            others = [n for n in range(1, LONGEST_FLEET + 1) if n != len(lab.fleet.workers)]
            lab.fleet.scale(chance.choice(others))
            time.sleep(max(1.0, next_at - time.monotonic()))
        stall = lab.watch.longest_stall(begun)
        lab.fleet.scale(WORKERS)
    verdict = lab.verdict(traffic)
    table.add(
        "rebalance, 1 to 5 workers", changes, traffic, verdict, notes=f"longest stall {stall:.1f} s"
    )
    assert verdict.is_clean, verdict
    assert stall < LONGEST_STALL_SECONDS
