"""A rolling restart of workers that have names in their group moves nobody else's partitions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
import pytest

from clickstream.local.processes.service import Service
from tests.e2e.process_pair import environment_of
from tests.faults.lab.faults import terminate
from tests.faults.lab.plan import times
from tests.faults.lab.report import Table
from tests.faults.lab.system import WORKERS, Lab

pytestmark = [pytest.mark.engines, pytest.mark.timeout(2_400)]

FLEET = 5
# A worker is back within it also on a busy machine.
SESSION_TIMEOUT_SECONDS = 20
_ASSIGNMENTS = "clickstream_worker_assignments_total "


@contextmanager
def named_workers(lab: Lab) -> Iterator[None]:
    """Five workers that keep their places; then those of before, with places of nobody."""

    def environment(name: str) -> Mapping[str, str]:
        return {
            **environment_of(lab.settings),
            "CLICKSTREAM_WORKER__INSTANCE_ID": name,
            "CLICKSTREAM_WORKER__SESSION_TIMEOUT_SECONDS": str(SESSION_TIMEOUT_SECONDS),
        }

    lab.fleet.replace_all(environment)
    lab.fleet.scale(FLEET)
    try:
        lab.fleet.shares()
        yield
    finally:
        lab.fleet.scale(WORKERS)
        lab.fleet.replace_all(None)
        lab.fleet.shares()  # once Kafka has given up those who left without a word


def assignments(worker: Service) -> int:
    """How often the group has assigned partitions to it since it was started."""
    text = httpx.get(f"{worker.url}/metrics", timeout=10).text
    (line,) = (line for line in text.splitlines() if line.startswith(_ASSIGNMENTS))
    return int(float(line.removeprefix(_ASSIGNMENTS)))


def shares(lab: Lab) -> set[frozenset[tuple[str, int]]]:
    """What each member has, whoever it is."""
    return {
        frozenset((topic, number) for topic, numbers in share.items() for number in numbers)
        for share in lab.fleet.shares().values()
    }


def test_a_rolling_restart_moves_nothing(lab: Lab, table: Table) -> None:
    rounds = times(FLEET, short=1)
    with named_workers(lab), lab.traffic("rolling") as traffic:
        before = shares(lab)
        counts = [assignments(worker) for worker in lab.fleet.workers]
        begun, away = time.monotonic(), 0.0
        for number in range(rounds):
            time.sleep(1)
            gone = time.monotonic()
            terminate(lab, lab.fleet.workers[number])
            lab.fleet.workers[number].wait()
            away = max(away, time.monotonic() - gone)
        stall = lab.watch.longest_stall(begun)
        after = [assignments(worker) for worker in lab.fleet.workers]
        assert shares(lab) == before
    verdict = lab.verdict(traffic)
    table.add(
        "rolling restart of five workers with names",
        rounds,
        traffic,
        verdict,
        notes=f"longest stall of a partition {stall:.1f} s, of a worker's restart {away:.1f} s;"
        " no partition moved",
    )
    assert verdict.is_clean, verdict
    # Who was restarted was assigned partitions once, and nobody else again.
    assert after == [1] * rounds + counts[rounds:]
