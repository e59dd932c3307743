"""Nodes of a cluster of ClickHouse die, or copy nothing, under 500 events a second."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Self

import httpx
import pytest
from rich.console import Console

from clickstream.local.demo.report import print_result
from clickstream.local.demo.run import DemoOptions, run
from core.clock import SystemClock
from tests.clickstream.operations.replay.silent import Silent
from tests.cluster.lab import NODES, Cluster, NoCluster, running_cluster
from tests.faults.lab.plan import LONG, times
from tests.faults.lab.report import Table
from tests.faults.lab.system import Lab, running_lab
from tests.faults.lab.traffic import Traffic

pytestmark = [pytest.mark.cluster, pytest.mark.engines, pytest.mark.timeout(1_800)]

# Ten events each.
SESSIONS_PER_SECOND = 50
CAUGHT_UP_RECORDS = 1_000
CAUGHT_UP_SECONDS = 180.0
AWAY_SECONDS = 3.0
BEHIND_SECONDS = 60.0 if LONG else 5.0
_ASK_SECONDS = 0.1


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    try:
        with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
            if running.program is None:
                pytest.skip("the nodes of CLICKSTREAM_TEST_CLUSTER are not ours to kill")
            yield running
    except NoCluster as why:
        pytest.skip(str(why))


@pytest.fixture(scope="module")
def lab(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab"), cluster) as running:
        yield running


class Reader:
    """Asks again and again for sessions that were acknowledged, inside a `with` block."""

    def __init__(self, lab: Lab, traffic: Traffic) -> None:
        self._lab = lab
        self._ledger = traffic.ledger
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader")
        self.statuses: Counter[int] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        chance = random.Random(0)
        with httpx.Client(base_url=self._lab.api.url, timeout=30) as http:
            while not self._stopping.wait(_ASK_SECONDS):
                known = list(self._ledger.sessions.copy())
                if known:
                    asked = {"session_id": chance.choice(known)}
                    self.statuses[http.get("/session", params=asked).status_code] += 1


def dies(*nodes: str) -> Callable[[Cluster], None]:
    def blow(cluster: Cluster) -> None:
        with cluster.without(*nodes):
            time.sleep(AWAY_SECONDS)

    return blow


def falls_behind(cluster: Cluster) -> None:
    """One replica copies nothing, of any table."""

    def say(what: str) -> None:
        httpx.post(cluster.urls[NODES[-1]], content=what, timeout=30).raise_for_status()

    say("SYSTEM STOP FETCHES")
    try:
        time.sleep(BEHIND_SECONDS)
    finally:
        say("SYSTEM START FETCHES")


BLOWS = {
    "kill -9 a replica of ClickHouse": (dies("s1r2"), 5),
    "kill -9 both replicas of a shard": (dies("s2r1", "s2r2"), 1),
    "kill -9 ZooKeeper": (dies("zookeeper"), 3),
    f"a replica copies nothing for {BEHIND_SECONDS:.0f} s": (falls_behind, 1),
}


@pytest.mark.parametrize("name", BLOWS)
def test_nothing_is_lost_doubled_or_called_missing(
    lab: Lab, cluster: Cluster, table: Table, name: str
) -> None:
    blow, number = BLOWS[name]
    blows, worst, deaths = times(number, short=1), 0.0, list(lab.keeper.deaths)
    row = f"cl-{list(BLOWS).index(name)}"
    with lab.traffic(row, per_second=SESSIONS_PER_SECOND) as traffic, Reader(lab, traffic) as reads:
        for _ in range(blows):
            time.sleep(2)
            blow(cluster)
            back_at = time.monotonic()
            recovery = lab.watch.recovery(back_at, CAUGHT_UP_RECORDS, CAUGHT_UP_SECONDS)
            worst = max(worst, recovery)
    verdict = lab.verdict(traffic)
    answers = ", ".join(f"{count:,} × {status}" for status, count in sorted(reads.statuses.items()))
    table.add(name, blows, traffic, verdict, worst, f"reads: {answers}")
    assert verdict.is_clean, verdict
    assert set(reads.statuses) <= {200, 503}
    assert lab.keeper.deaths == deaths


def test_a_demo_on_a_cluster_is_clean(lab: Lab) -> None:
    options = DemoOptions(sessions=times(20_000, short=300), seed=1)
    with lab.another_edge("edge --with-api") as http:
        result = asyncio.run(run(options, http.url, lab.settings, SystemClock(), Silent()))
    print_result(result, Console())
    assert result.passed, result
