"""A replay while records come in, a worker writes and readers read: nobody sees a wrong thing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, TopicPartition

from clickstream.operations.log_offsets import LogOffsets
from clickstream.operations.replay.start_point import Earliest, FromOffset, Origin
from core import clickhouse
from core.clock import SystemClock
from core.errors import SinkUnavailable
from stream_processors.join import table_columns
from tests.clickstream.operations.replay.silent import Silent
from tests.clickstream.operations.replay.stored import empty, number
from tests.waiting import wait_until

if TYPE_CHECKING:
    from core.settings import Settings
    from tests.clickstream.operations.replay.traffic import Traffic

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
    from clickstream.operations.replay.run import replay
    from tests.clickstream.operations.replay.traffic import Traffic
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
    assert outcome.records > 0
    assert reader.failures == 0
    assert reader.counts == sorted(reader.counts)
    counts = {
        "sessions": "SELECT count() FROM sessions FINAL",
        "first posts": "SELECT count() FROM sessions FINAL WHERE search_query = 'boots'",
        "events": "SELECT count() FROM events FINAL",
        "first clicks": "SELECT count() FROM events FINAL WHERE event_id = '0' AND position = 2",
        "marks": "SELECT count() FROM session_marks FINAL WHERE is_irrelevant",
        "sessions with facts": "SELECT count() FROM session_facts FINAL",
        "events in facts": "SELECT sum(events) FROM session_facts FINAL",
        "first clicks in facts": "SELECT count() FROM session_facts FINAL"
        " WHERE has(event_positions, 2)",
        "marks in facts": "SELECT count() FROM session_facts FINAL WHERE is_irrelevant",
    }
    assert {what: number(settings, query) for what, query in counts.items()} == {
        "sessions": ledger.sessions,
        "first posts": ledger.sessions,
        "events": EVENTS * ledger.sessions,
        "first clicks": ledger.sessions,
        "marks": ledger.sessions // 5,
        "sessions with facts": ledger.sessions,
        "events in facts": EVENTS * ledger.sessions,
        "first clicks in facts": ledger.sessions,
        "marks in facts": ledger.sessions // 5,
    }


def filters_filled(folder: Path) -> int:
    """How often a worker has said that its filter of stored ids is complete."""
    return sum(log.read_text().count("is complete: ") for log in folder.rglob("*.log"))


@pytest.mark.timeout(600)
def test_a_click_on_a_session_that_a_replay_brought_back_is_joined_although_no_worker_knows_it(
    settings: Settings, tmp_path: Path
) -> None:
    """The worker has filled its filter of stored ids while the session was missing, so it is sure
    that there is no such session, and writes the click as one that waits."""
    from clickstream.operations.replay.run import replay
    from stream_processors.write.delete_adopted import OWN
    from tests.clickstream.operations.replay.traffic import Traffic
    from tests.stream_processors.fleet import Fleet

    traffic = Traffic(settings)
    traffic.session("old")
    traffic.flush()
    with Fleet(settings, tmp_path, count=1) as fleet:
        fleet.catch_up()
        fleet.scale(0)
        empty(settings, but={"events", "unjoined_events", "session_marks", "dead_letters"})
        before = filters_filled(tmp_path)
        fleet.scale(1)
        traffic.session("other")
        traffic.flush()
        fleet.catch_up()
        wait_until(lambda: filters_filled(tmp_path) > before, seconds=60, pause=0.5)
        # The clean-up after its start comes with this flush, and the next one a minute later.
        time.sleep(OWN.shortest)
        traffic.session("another")
        traffic.flush()
        fleet.catch_up()
        replay(settings, Earliest(), SystemClock(), Silent())
        traffic.event("old", "late")
        traffic.flush()
        fleet.catch_up()
        waiting = "SELECT count() FROM unjoined_events FINAL WHERE event_id = 'late'"
        assert number(settings, waiting) == 1, "else this test shows nothing"
        fleet.scale(0)
        fleet.scale(1)  # soon after its start a worker looks into everything that waits
        wait_until(lambda: number(settings, waiting) == 0, seconds=60, pause=0.5)
        joined = "SELECT count() FROM events FINAL WHERE event_id = 'late'"
        assert number(settings, joined) == 1


@pytest.mark.timeout(600)
def test_an_event_that_waited_for_a_session_somebody_else_stored_is_joined_in_the_end(
    settings: Settings,
) -> None:
    """Without workers: what they would write while a replay runs is written here by hand."""
    from clickstream.operations.replay.run import replay
    from tests.clickstream.operations.replay.traffic import Traffic

    traffic = Traffic(settings)
    traffic.session("s", objects=["a", "b"])
    traffic.event("s", "e", "b")
    traffic.flush()
    replay(settings, Earliest(), SystemClock(), Silent())
    with clickhouse.connect(settings) as client:
        columns = ", ".join(table_columns.UNJOINED_COLUMNS.names)
        client.command(f"INSERT INTO unjoined_events ({columns}) SELECT {columns} FROM events")  # noqa: S608
        client.command("TRUNCATE TABLE events")
    consumer = Consumer({**settings.kafka_options(), "group.id": settings.worker.group})
    ends = LogOffsets(settings).ends()
    consumer.commit(
        offsets=[TopicPartition(*partition, end) for partition, end in ends.items()],
        asynchronous=False,
    )
    consumer.close()
    assert replay(settings, FromOffset(10**9), SystemClock(), Silent()).records == 0
    assert number(settings, "SELECT count() FROM events FINAL WHERE position = 2") == 1
    assert number(settings, "SELECT count() FROM unjoined_events FINAL") == 0
