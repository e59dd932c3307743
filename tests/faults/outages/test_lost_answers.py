"""ClickHouse has said yes, and the worker never hears it: it is dead, or its connection is."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import pytest

from tests.faults.lab.faults import kill
from tests.faults.lab.plan import times
from tests.faults.lab.proxy import Proxy
from tests.faults.lab.report import Table
from tests.faults.lab.system import Lab

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1_800)]

CAUGHT_UP_RECORDS = 1_000
CAUGHT_UP_SECONDS = 30.0
SHARE = 0.1

_INTO_SESSIONS = re.compile(r"INSERT INTO [\w.`]*\bsessions\b")

Proxies = Mapping[str, Proxy]


@pytest.fixture(scope="module")
def proxies(lab: Lab) -> Iterator[Proxies]:
    """One in front of each worker, by its name."""
    with lab.workers_behind_proxies() as listening:
        yield listening


@contextmanager
def listening(proxies: Proxies, on_answer: Callable[[str, str], bool]) -> Iterator[None]:
    """`on_answer(worker, request)` says whether the answer goes on to the worker."""
    before = {name: proxy.on_answer for name, proxy in proxies.items()}
    for name, proxy in proxies.items():
        proxy.on_answer = partial(on_answer, name)
    try:
        yield
    finally:
        for name, proxy in proxies.items():
            proxy.on_answer = before[name]


class Assassin:
    """Kills a worker when ClickHouse has said yes to its sessions, before it can commit."""

    def __init__(self, lab: Lab) -> None:
        self._workers = {worker.name: worker for worker in lab.fleet.workers}
        self._marked: set[str] = set()
        self._struck = threading.Condition()

    def strike_all(self, within_seconds: float) -> int:
        """Each worker dies at its next flush that has sessions. How many did, when all have."""
        with self._struck:
            self._marked = set(self._workers)
            assert self._struck.wait_for(lambda: not self._marked, within_seconds), self._marked
        return len(self._workers)

    def on_answer(self, name: str, request: str) -> bool:
        """On the proxy's thread: the worker cannot go on before this returns."""
        if not _INTO_SESSIONS.search(request):
            return True
        with self._struck:
            if name not in self._marked:
                return True
            kill(self._workers[name])
            self._marked.remove(name)
            self._struck.notify_all()
        return False


class Scissors:
    """Cuts one in ten answers to an insert, at random."""

    def __init__(self) -> None:
        self._chance = random.Random(5)
        self._lock = threading.Lock()
        self.inserts = 0
        self.cuts = 0

    def on_answer(self, _: str, request: str) -> bool:
        """On any proxy's thread."""
        if "INSERT INTO" not in request:
            return True
        with self._lock:
            cut = self._chance.random() < SHARE
            self.inserts += 1
            self.cuts += cut
        return not cut


def test_workers_killed_between_yes_and_commit_double_nothing(
    lab: Lab, proxies: Proxies, table: Table
) -> None:
    kills, wanted, worst, assassin = 0, times(50, short=3), 0.0, Assassin(lab)
    with listening(proxies, assassin.on_answer), lab.traffic("between") as traffic:
        while kills < wanted:
            kills += assassin.strike_all(within_seconds=60)
            killed_at = time.monotonic()
            recovery = lab.watch.recovery(killed_at + 2, CAUGHT_UP_RECORDS, CAUGHT_UP_SECONDS)
            worst = max(worst, recovery + 2)
    verdict = lab.verdict(traffic)
    table.add("kill -9 between ClickHouse's yes and the commit", kills, traffic, verdict, worst)
    assert verdict.is_clean, verdict


def test_answers_that_never_arrive_double_nothing(lab: Lab, proxies: Proxies, table: Table) -> None:
    deaths, wanted, scissors = list(lab.keeper.deaths), times(1_000, short=60), Scissors()
    with listening(proxies, scissors.on_answer), lab.traffic("cut") as traffic:
        while scissors.inserts < wanted or not scissors.cuts:
            time.sleep(0.1)
    verdict = lab.verdict(traffic)
    table.add(
        "connection cut after the insert, before its answer",
        scissors.cuts,
        traffic,
        verdict,
        notes=f"of {scissors.inserts} inserts",
    )
    assert verdict.is_clean, verdict
    assert lab.keeper.deaths == deaths, "no worker may die of it"
