"""Pulls of what is new, beside traffic, marks and erasures, together are one pull at the end."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import pytest

from api.component import ReadComponent
from clickstream.operations.erasure.eraser import eraser_of
from core.http.app import build_app
from tests.api.export_copy import Copy
from tests.clickstream.operations.erasure.world import erased
from tests.clickstream.operations.replay.traffic import Traffic
from tests.faults.lab.plan import LONG, seconds, times
from tests.local_client import LocalClient
from tests.stream_processors.fleet import Fleet

if TYPE_CHECKING:
    from pathlib import Path

    from core.settings import Settings

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1_200)]

EVENTS_A_SECOND = 2_000 if LONG else 300
_EVENTS_OF_A_SEARCH = 4


class Searching(threading.Thread):
    """Searches of ten users with early, duplicate and late events; some are marked, some of these
    marked back."""

    def __init__(self, settings: Settings, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._traffic = Traffic(settings)
        self._chance = random.Random(24)
        self._stop_it = threading.Event()
        self.searches = 0

    def run(self) -> None:
        started = time.monotonic()
        while not self._stop_it.is_set() and time.monotonic() < started + self._seconds:
            self._search(self.searches)
            self.searches += 1
            ahead = self.searches * _EVENTS_OF_A_SEARCH / EVENTS_A_SECOND
            if (wait := started + ahead - time.monotonic()) > 0:
                self._stop_it.wait(wait)
        self._traffic.flush()

    def stop(self) -> None:
        self._stop_it.set()
        self.join()

    def _search(self, number: int) -> None:
        chance, traffic, id_ = self._chance, self._traffic, f"s{number}"
        if chance.random() < 0.3:
            traffic.event(id_, "early")
        traffic.session(id_, user_id=f"user-{chance.randrange(10)}", search_query="boots")
        for event in range(3):
            traffic.event(id_, f"e{event}", chance.choice("abz"))
        if chance.random() < 0.1:
            traffic.session(id_, search_query="posted again")
            traffic.event(id_, "e0", "c")
        if number > 50:
            traffic.event(f"s{number - chance.randrange(50)}", f"late-{number}")
            if chance.random() < 0.1:
                traffic.mark(f"s{chance.randrange(number + 20)}", chance.random() < 0.6)


def test_pulls_beside_traffic_marks_and_erasures_are_one_pull_at_the_end(
    settings: Settings, tmp_path: Path
) -> None:
    app = build_app(settings, [ReadComponent(settings, eraser_of(settings))])
    searching = Searching(settings, seconds(0.5, 8.0))
    with Fleet(settings, tmp_path, count=2) as fleet, LocalClient(app) as client:
        copies = [Copy(client, {"relevance": each}) for each in ("exclude", "include")]
        searching.start()
        try:
            users = [f"user-{number}" for number in range(times(2, short=1))]
            pulls = 0
            while searching.is_alive() or users:
                for copy in copies:
                    copy.pull()
                pulls += 1
                if users and pulls % 3 == 0:
                    erased(settings, users.pop())
        finally:
            searching.stop()
        fleet.catch_up()
        for copy in copies:
            copy.pull()
            sessions, events = copy.whole()
            # Nothing missing, nothing twice: `Copy` refuses a session that a pull has twice.
            assert copy.sessions == sessions
            assert copy.events == events
            assert 0 < len(sessions) <= searching.searches
            copy.pull()
            assert copy.told == []
        assert pulls > 2
        print(f"{searching.searches:,} searches, {pulls} pulls beside them")
