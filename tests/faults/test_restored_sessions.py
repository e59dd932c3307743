"""Sessions that come back beside running workers, who are sure that there are no such sessions.

They write later clicks of them as events that wait. A worker that keeps running joins those, each
once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from clickstream.local.up.app_services import PYTHON_MODULE
from clickstream.operations.replay.start_point import Earliest
from core import clickhouse
from core.clock import SystemClock
from tests.clickstream.operations.replay.silent import Silent
from tests.clickstream.operations.replay.stored import empty, number
from tests.clickstream.operations.replay.traffic import Traffic
from tests.faults.lab.plan import LONG, times
from tests.stream_processors.fleet import Fleet
from tests.waiting import wait_until

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1_200)]

SESSIONS = times(500, short=20)
ROUNDS = times(3, short=1)
# Its pauses are those of the product in the long form: a minute at least.
_OFTEN = """
from clickstream.commands import main
from stream_processors.write import delete_adopted
delete_adopted.EVERYWHERE = delete_adopted._Pauses(2.0, 2.0)
main()
"""
PROGRAM = PYTHON_MODULE if LONG else (sys.executable, "-c", _OFTEN)
JOINED_SECONDS = 300.0 if LONG else 60.0


def test_late_clicks_of_restored_sessions_are_joined_by_workers_that_keep_running(
    settings: Settings, tmp_path: Path
) -> None:
    from clickstream.operations.replay.run import replay

    traffic, ids = Traffic(settings), [f"s{n}" for n in range(SESSIONS)]
    clicks = []

    def click(event_id: str) -> None:
        for session_id in ids:
            traffic.event(session_id, event_id)
        traffic.flush()
        clicks.append(event_id)
        fleet.catch_up()

    for session_id in ids:
        traffic.session(session_id)
    with Fleet(settings, tmp_path, times(3, short=1), PROGRAM) as fleet:
        click("before")
        for number_ in range(ROUNDS):
            fleet.scale(0)
            empty(settings, but={"events", "unjoined_events", "session_marks", "dead_letters"})
            known = logs_that_say_complete(tmp_path)
            fleet.scale(times(3, short=1))
            wait_until(
                lambda: len(logs_that_say_complete(tmp_path) - known) == len(fleet.workers),  # noqa: B023 - called at once
                seconds=60, pause=0.5,
            )  # fmt: skip
            workers = [worker.pid for worker in fleet.workers]
            replay(settings, Earliest(), SystemClock(), Silent())
            click(f"late{number_}")
            assert waited(fleet) > 0, "else this test shows nothing"
            wait_until(
                lambda: number(settings, "SELECT count() FROM unjoined_events FINAL") == 0,
                seconds=JOINED_SECONDS, pause=0.5,
            )  # fmt: skip
            assert [worker.pid for worker in fleet.workers] == workers
            assert not fleet.revive(), "workers have ended"
    with clickhouse.connect(settings) as client:
        events = client.query("SELECT session_id, event_id FROM events FINAL WHERE position = 1")
        sessions = client.query("SELECT session_id FROM sessions FINAL")
    assert sorted(events.result_rows) == sorted((id_, name) for id_ in ids for name in clicks)
    assert sorted(row[0] for row in sessions.result_rows) == sorted(ids)


def logs_that_say_complete(folder: Path) -> set[Path]:
    """Of workers whose filter of stored ids has been filled."""
    return {log for log in folder.rglob("*.log") if "is complete: " in log.read_text()}


def waited(fleet: Fleet) -> float:
    """How many events these workers have written as ones that wait."""
    return sum(
        sample.value
        for worker in fleet.workers
        for family in text_string_to_metric_families(httpx.get(f"{worker.url}/metrics").text)
        for sample in family.samples
        if sample.name == "clickstream_worker_unjoined_total"
    )
