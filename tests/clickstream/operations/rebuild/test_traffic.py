"""A replay while records come in, a worker writes and readers read: nobody sees a wrong thing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clickstream.operations.rebuild.start_point import Earliest, FromOffset, Origin
from core import clickhouse
from core.clock import SystemClock
from core.errors import SinkUnavailable
from tests.clickstream.operations.rebuild.silent import Silent
from tests.clickstream.operations.rebuild.stored import drop_kept, number

if TYPE_CHECKING:
    from clickstream.operations.rebuild.databases import Databases
    from core.clickhouse.admin import Server
    from core.settings import Settings
    from tests.clickstream.operations.rebuild.traffic import Traffic

pytestmark = pytest.mark.engines

EVENTS = 3

# Leaves the processor to those whose work is looked at.
_PACE_SECONDS = 0.05


class Ledger:
    """Sessions that the broker has acknowledged, each with its events and, every fifth, a mark."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self.sessions = 0

    def post(self) -> None:
        """Ten more: one event before its session, the others after it, some of it twice."""
        for _ in range(10):
            session_id = f"s-{self.sessions}"
            self._traffic.event(session_id, "0", "b")
            self._traffic.session(session_id)
            for n in range(EVENTS):
                self._traffic.event(session_id, str(n))
            if self.sessions % 5 == 0:
                self._traffic.mark(session_id)
            self._traffic.session(session_id, search_query="again")
            self.sessions += 1
        self._traffic.flush()


class Reader:
    """Counts what it can read. A failure is an answer too, a wrong count is not."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.client = clickhouse.connect(settings)
        self.counts = [0]
        self.failures = 0

    def read(self) -> None:
        try:
            with clickhouse.translate(self._settings):
                found = self.client.query("SELECT count() FROM sessions FINAL").result_rows[0][0]
        except SinkUnavailable:
            self.failures += 1
        else:
            self.counts.append(int(found))


@contextmanager
def meanwhile(*actions: Callable[[], None]) -> Iterator[None]:
    """Each action again and again, on a thread of its own, as long as the block runs."""
    over = threading.Event()
    failures: list[BaseException] = []

    def work(action: Callable[[], None]) -> None:
        try:
            while not over.wait(_PACE_SECONDS):
                action()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not failures


@pytest.mark.timeout(600)
@pytest.mark.parametrize("origin", [Earliest(), FromOffset(30)], ids=str)
def test_every_acknowledged_record_is_there_once(
    settings: Settings, tmp_path: Path, origin: Origin
) -> None:
    from clickstream.operations.rebuild.run import replay
    from tests.clickstream.operations.rebuild.traffic import Traffic
    from tests.stream_processors.fleet import Fleet

    ledger, reader = Ledger(Traffic(settings)), Reader(settings)
    ledger.post()
    with Fleet(settings, tmp_path, count=1) as fleet:
        fleet.catch_up()
        with meanwhile(ledger.post, reader.read):
            outcome = replay(settings, origin, SystemClock(), Silent())
        fleet.catch_up()
        assert fleet.workers[0].exit_status() is None
    reader.client.close()
    assert outcome.equal, outcome
    drop_kept(settings)
    assert reader.counts == sorted(reader.counts)
    counts = {
        "sessions": "SELECT count() FROM sessions FINAL",
        "first posts": "SELECT count() FROM sessions FINAL WHERE search_query = 'boots'",
        "events": "SELECT count() FROM events FINAL",
        "first clicks": "SELECT count() FROM events FINAL WHERE event_id = '0' AND position = 2",
        "marks": "SELECT count() FROM session_marks FINAL WHERE is_irrelevant",
    }
    assert {what: number(settings, query) for what, query in counts.items()} == {
        "sessions": ledger.sessions,
        "first posts": ledger.sessions,
        "events": EVENTS * ledger.sessions,
        "first clicks": ledger.sessions,
        "marks": ledger.sessions // 5,
    }


@pytest.mark.timeout(600)
def test_what_a_worker_writes_into_the_old_tables_at_the_last_moment_is_not_lost(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clickstream.operations.rebuild import exchange
    from clickstream.operations.rebuild.run import replay
    from clickstream.operations.rebuild.swap import take_away
    from tests.clickstream.operations.rebuild.traffic import Traffic
    from tests.stream_processors.fleet import Fleet

    traffic = Traffic(settings)
    traffic.event("late", "waited", "b")
    traffic.mark("late")
    traffic.flush()
    with Fleet(settings, tmp_path, count=1) as fleet:
        fleet.catch_up()

        def written_and_committed_just_before(server: Server, databases: Databases) -> None:
            traffic.session("late")
            traffic.event("late", "followed")
            traffic.mark("late", is_irrelevant=False)
            traffic.flush()
            fleet.catch_up()
            take_away(server, databases)

        monkeypatch.setattr(exchange, "take_away", written_and_committed_just_before)
        outcome = replay(settings, Earliest(), SystemClock(), Silent())
    assert outcome.equal
    assert outcome.on_their_way == 0
    assert {table.table: table.after.rows for table in outcome.tables} == {
        "sessions": 1,
        "events": 2,
        "unjoined_events": 0,
        "session_marks": 1,
        "dead_letters": 0,
    }
    assert number(settings, "SELECT count() FROM session_marks FINAL WHERE is_irrelevant") == 0


@pytest.mark.timeout(600)
def test_records_that_come_while_the_tables_are_away_are_written_afterwards(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clickstream.operations.rebuild import exchange
    from clickstream.operations.rebuild.run import replay
    from clickstream.operations.rebuild.swap import put_in_place
    from tests.clickstream.operations.rebuild.traffic import Traffic
    from tests.stream_processors.fleet import Fleet

    ledger = Ledger(Traffic(settings))
    ledger.post()
    with Fleet(settings, tmp_path, count=1) as fleet:
        fleet.catch_up()

        def after_more_has_come(server: Server, databases: Databases) -> None:
            ledger.post()
            put_in_place(server, databases)

        monkeypatch.setattr(exchange, "put_in_place", after_more_has_come)
        assert replay(settings, Earliest(), SystemClock(), Silent()).equal
        fleet.catch_up()
    assert number(settings, "SELECT count() FROM sessions FINAL") == ledger.sessions
    assert number(settings, "SELECT count() FROM events FINAL") == EVENTS * ledger.sessions
