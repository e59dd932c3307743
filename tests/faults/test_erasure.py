"""Erasures that are killed, and erasures beside traffic and dying workers: 0 rows in the end."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from clickstream.operations.replay.run import replay
from clickstream.operations.replay.start_point import Earliest
from core.clock import SystemClock
from tests.clickstream.operations.erasure.world import erased, post_user, read_naming, rows_naming
from tests.clickstream.operations.replay.silent import Silent
from tests.clickstream.operations.replay.traffic import Traffic
from tests.e2e.process_pair import environment_of
from tests.faults.lab.plan import LONG, times
from tests.stream_processors.fleet import Fleet

if TYPE_CHECKING:
    from pathlib import Path

    from core.settings import Settings

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1_200)]

# An erasure changes ClickHouse some ten times: one is killed before every other change, and when
# there is time, before and after each.
_NUMBERS = range(1, 9) if LONG else range(1, 9, 2)
_WHEN = ("before", "after") if LONG else ("before",)
DEATHS = [(when, number) for number in _NUMBERS for when in _WHEN]


def test_an_erasure_that_was_killed_is_completed_by_the_next(
    settings: Settings, tmp_path: Path
) -> None:
    users = [f"{when}-{number}!" for when, number in DEATHS]
    traffic = Traffic(settings)

    def left() -> dict[str, dict[str, int]]:
        return {user: rows for user in users if (rows := rows_naming(settings, user))}

    with Fleet(settings, tmp_path, count=1) as fleet:
        for user in [*users, "somebody else"]:
            post_user(traffic, user)
        traffic.flush()
        fleet.catch_up()
        others = read_naming(settings, "somebody else")
        for user, (when, number) in zip(users, DEATHS, strict=True):
            command = [
                sys.executable,
                "-m",
                "tests.clickstream.operations.erasure.killed",
                user,
                when,
                str(number),
            ]
            died = subprocess.run(command, env=environment_of(settings), check=False)
            assert died.returncode == -9
            traffic.event(f"{user}-s0", "in between")
        traffic.flush()
        fleet.catch_up()
        for user in users:
            erased(settings, user)
        assert left() == {}
        replay(settings, Earliest(), SystemClock(), Silent())
        assert left() == {}
        assert read_naming(settings, "somebody else") == others


class Searching(threading.Thread):
    """A user who goes on searching and clicking; ids tell what was posted before the erasure."""

    def __init__(self, settings: Settings, user: str) -> None:
        super().__init__()
        self.user = user
        self.phase = "before"
        self._traffic = Traffic(settings)
        self._stop_it = threading.Event()
        self.posted = threading.Semaphore(0)

    def run(self) -> None:
        for number in itertools.count():
            if self._stop_it.wait(0.01):
                break
            id_ = f"{self.user}-{self.phase}-{number}"
            self._traffic.event(id_, "early")
            self._traffic.session(id_, user_id=self.user)
            self._traffic.event(id_, "click")
            self._traffic.mark(id_)
            self.posted.release()
        self._traffic.flush()

    def post(self, sessions: int) -> None:
        """Return when so many more have been posted."""
        while self.posted.acquire(blocking=False):
            continue  # posted before this call
        for _ in range(sessions):
            self.posted.acquire()

    def stop(self) -> None:
        self._stop_it.set()
        self.join()


def test_erasing_beside_traffic_and_dying_workers_leaves_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    ann, bob = Searching(settings, "ann"), Searching(settings, "bob")
    with Fleet(settings, tmp_path, count=2) as fleet:
        ann.start()
        bob.start()
        try:
            for _ in range(times(2, short=1)):
                ann.phase = "before"
                ann.post(100)
                fleet.kill(0)
                fleet.scale(2)
                ann.phase = "during"
                ann.post(2)  # what was begun under the old name is posted
                erased(settings, "ann")
                ann.phase = "after"
                ann.post(50)
        finally:
            ann.stop()
            bob.stop()
        fleet.catch_up()
        assert rows_naming(settings, "ann-before") == {}
        assert rows_naming(settings, "ann-after")["sessions"] > 0
        bobs = read_naming(settings, "bob")
        replay(settings, Earliest(), SystemClock(), Silent())
        assert rows_naming(settings, "ann-before") == {}
        assert read_naming(settings, "bob") == bobs
