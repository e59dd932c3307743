"""Erasing users on real engines, while a worker runs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pyarrow as pa
import pytest

from clickstream.operations.backup.queries import snapshot
from clickstream.operations.erasure import erase as erase_module
from clickstream.operations.erasure import lookup
from clickstream.operations.erasure.erase import erase, preview
from clickstream.operations.erasure.reapply import reapply
from clickstream.operations.replay.fresh import fresh_database, replay_fresh
from clickstream.operations.replay.run import Outcome, replay
from clickstream.operations.replay.start_point import Earliest, FromOffset, Origin
from core import clickhouse
from core.clickhouse.admin import Owner, Purpose, open_server
from core.clickhouse.lease import lease
from core.clock import SystemClock
from core.errors import LeaseHeld, SinkBehind, SinkUnavailable
from stream_processors.write import facts
from stream_processors.write.clickhouse import ClickHouseSink
from tests.clickstream.operations.erasure.world import (
    SESSIONS,
    erased,
    lose_lease,
    post_user,
    read_naming,
    rows_naming,
    rows_of_databases,
    views_naming,
)
from tests.clickstream.operations.replay.silent import Silent
from tests.clickstream.operations.replay.stored import drop_kept
from tests.clickstream.operations.replay.traffic import Traffic
from tests.stream_processors.fleet import Fleet
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from core.settings import Settings

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

USERS = ["ann", "bob", "cy\t'\\é\n"]


@dataclass
class Pipeline:
    settings: Settings
    traffic: Traffic
    fleet: Fleet

    def settle(self) -> None:
        self.traffic.flush()
        self.fleet.catch_up()


@pytest.fixture
def pipeline(settings: Settings, tmp_path: Path) -> Iterator[Pipeline]:
    """Every user has data in every table."""
    with Fleet(settings, tmp_path, count=1) as fleet:
        pipeline = Pipeline(settings, Traffic(settings), fleet)
        for user in USERS:
            post_user(pipeline.traffic, user)
        pipeline.settle()
        yield pipeline
        drop_kept(settings)


def replayed(settings: Settings, origin: Origin) -> Outcome:
    return replay(settings, origin, SystemClock(), Silent())


@pytest.mark.parametrize("user", USERS)
def test_nothing_of_the_user_is_left_and_all_of_the_others(pipeline: Pipeline, user: str) -> None:
    settings = pipeline.settings
    before = rows_naming(settings, user)
    assert {"sessions", "events", "session_marks", "dead_letters"} <= before.keys()
    assert before["dead_letters"] >= 2
    others = {other: read_naming(settings, other) for other in USERS if other != user}

    outcome = erased(settings, user)

    assert outcome.sessions == SESSIONS
    assert outcome.deleted["sessions"] == SESSIONS
    assert rows_naming(settings, user) == {}
    assert views_naming(settings, user) == {}
    assert {other: read_naming(settings, other) for other in others} == others


def test_a_user_with_more_sessions_than_memory_holds_is_erased(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = pipeline.settings
    monkeypatch.setattr(lookup, "MOST_IDS", SESSIONS // 3)
    monkeypatch.setattr(erase_module, "MOST_IDS", SESSIONS // 3)
    before = rows_naming(settings, "ann")
    others = {other: read_naming(settings, other) for other in USERS if other != "ann"}
    seen = preview(settings, "ann", SystemClock(), 60)

    outcome = erased(settings, "ann")

    assert seen.sessions == outcome.sessions == SESSIONS
    assert seen.rows["events"] == outcome.deleted["events"] == before["events"]
    assert rows_naming(settings, "ann") == {}
    assert views_naming(settings, "ann") == {}
    assert {other: read_naming(settings, other) for other in others} == others
    assert erased(settings, "ann").deleted == {}
    with clickhouse.connect(settings) as client:
        client.command(
            "INSERT INTO session_marks (session_id) VALUES ('ann-s0'), ('ann-s1'), ('ann-s2')"
        )
    reapply(settings, SystemClock(), 60, lambda _: None)
    assert rows_naming(settings, "ann") == {}


def test_only_the_days_of_the_user_are_rewritten_in_few_mutations(pipeline: Pipeline) -> None:
    settings = pipeline.settings
    with clickhouse.connect(settings) as client:
        client.command(
            "INSERT INTO sessions (session_id, session_day, created_at, received_at)"
            " SELECT concat('old', toString(number)), day, day, day"
            " FROM (SELECT number, toDate('2020-01-01') + number AS day FROM numbers(20))"
        )
    erased(settings, "ann")
    with clickhouse.connect(settings) as client:
        commands = [
            str(command)
            for (command,) in client.query(
                "SELECT command FROM system.mutations WHERE database = currentDatabase()"
                " AND table = 'sessions'"
            ).result_rows
        ]
        days = client.query("SELECT DISTINCT toYYYYMMDD(session_day) FROM sessions").result_rows
    assert len(days) > 20
    # One that hides the rows, one that takes them from the disk.
    assert len(commands) == 2
    assert all("IN PARTITION" in command for command in commands)
    assert not any(
        f"'{day}'" in command for (day,) in days if day < 20210000 for command in commands
    )


def test_what_comes_of_erased_sessions_later_is_not_stored_and_new_sessions_are(
    pipeline: Pipeline,
) -> None:
    erased(pipeline.settings, "ann")
    pipeline.traffic.event("ann-s0", "much later")
    pipeline.traffic.mark("ann-s1")
    pipeline.traffic.session("ann-s2", user_id="ann")  # a client that sends again what it had sent
    pipeline.traffic.event("ann-s2", "of it")
    pipeline.traffic.raw(pipeline.traffic.topics.events, b"ann-s3", b"poison")
    pipeline.settle()
    assert rows_naming(pipeline.settings, "ann") == {}

    pipeline.traffic.session("ann-new", user_id="ann")
    pipeline.settle()
    pipeline.traffic.event("ann-new", "click")
    pipeline.settle()
    assert read_naming(pipeline.settings, "ann") == {
        **dict.fromkeys(("sessions", "events", "session_facts"), 1),
        **dict.fromkeys(("session_marks", "dead_letters"), 0),
    }


def test_erasing_again_finds_what_is_new_and_erasing_nobody_is_no_error(
    pipeline: Pipeline,
) -> None:
    erased(pipeline.settings, "ann")
    pipeline.traffic.session("ann-new", user_id="ann")
    pipeline.settle()
    again = erased(pipeline.settings, "ann")
    assert (again.sessions, again.deleted) == (
        SESSIONS + 1,
        {"sessions": 1, "session_facts": 1},
    )
    assert erased(pipeline.settings, "nobody").sessions == 0


@pytest.mark.parametrize("origin", [Earliest(), FromOffset(0), FromOffset(10)], ids=str)
def test_a_replay_brings_nothing_back(pipeline: Pipeline, origin: Origin) -> None:
    settings = pipeline.settings
    others = {other: read_naming(settings, other) for other in ("bob", "cy")}
    erased(settings, "ann")
    replayed(settings, origin)
    pipeline.traffic.event("ann-s0", "after the replay")
    pipeline.settle()
    assert rows_naming(settings, "ann") == {}
    assert {other: read_naming(settings, other) for other in others} == others


def test_a_replay_into_lost_tables_knows_the_erasures_from_kafka(pipeline: Pipeline) -> None:
    settings = pipeline.settings
    erased(settings, "ann")
    with clickhouse.connect(settings) as client:
        for table in ("erasures", "erased_sessions", "erased_dead_letters"):
            client.command(f"TRUNCATE TABLE {table}")
    replayed(settings, Earliest())
    pipeline.traffic.event("ann-s0", "after the replay")
    pipeline.settle()
    assert rows_naming(settings, "ann") == {}


def test_fresh_tables_bring_nothing_back(pipeline: Pipeline) -> None:
    settings = pipeline.settings
    others = {other: read_naming(settings, other) for other in ("bob", "cy")}
    erased(settings, "ann")
    pipeline.fleet.scale(0)
    replay_fresh(settings, Earliest(), SystemClock(), Silent())
    pipeline.fleet.scale(1)
    pipeline.traffic.event("ann-s0", "after the replay")
    pipeline.settle()
    assert rows_naming(settings, "ann") == {}
    assert {other: read_naming(settings, other) for other in others} == others


def test_tables_that_a_replay_has_left_are_erased_from_too(pipeline: Pipeline) -> None:
    settings = pipeline.settings
    left = fresh_database(settings)
    with open_server(settings) as server:
        server.create(left, Owner(clickhouse.database_of(settings), Purpose.FRESH_TABLES))
        for table in ("sessions", "events"):
            live = f"{clickhouse.database_of(settings)}.{table}"
            server.command(f"CREATE TABLE {left}.{table} AS {live}")
            server.command(f"INSERT INTO {left}.{table} SELECT * FROM {live}")  # noqa: S608
    assert rows_of_databases(settings, "ann").keys() > {left}
    assert erased(settings, "ann").retained_databases == (left,)
    assert rows_of_databases(settings, "ann") == {}
    assert rows_of_databases(settings, "bob").keys() > {left}


@pytest.mark.parametrize("purpose", [Purpose.BACKUP, Purpose.RESTORE, Purpose.COPY])
def test_tables_of_a_backup_or_restore_are_erased_from_though_their_merges_are_stopped(
    pipeline: Pipeline, purpose: Purpose
) -> None:
    settings = pipeline.settings
    live = clickhouse.database_of(settings)
    left, others = f"{live}_somewhere", f"{live}_eu_fresh"
    with open_server(settings) as server:
        for database, installation in ((left, live), (others, f"{live}_eu")):
            server.create(database, Owner(installation, purpose))
            for table in ("sessions", "events"):
                for statement in snapshot(
                    table, server.layout_of(live), server.layout_of(database)
                ):
                    server.command(statement)
    before = rows_of_databases(settings, "ann")
    assert before.keys() == {live, left, others}
    assert erased(settings, "ann").retained_databases == (left,)
    assert rows_of_databases(settings, "ann") == {others: before[others]}, "of another system"
    assert rows_of_databases(settings, "bob").keys() == {live, left, others}


def test_tables_out_of_a_backup_are_erased_from_again(pipeline: Pipeline) -> None:
    settings = pipeline.settings
    tables = ("sessions", "events", "session_marks", "session_facts", "dead_letters", "erasures")
    tables += ("erased_sessions",)
    with clickhouse.connect(settings) as client:
        for table in tables:
            client.command(f"CREATE TABLE saved_{table} ENGINE = Memory AS SELECT * FROM {table}")  # noqa: S608
        before = {other: read_naming(settings, other) for other in ("bob", "cy")}
        erased(settings, "ann")
        for table in tables:
            client.command(f"TRUNCATE TABLE {table}")
            client.command(f"INSERT INTO {table} SELECT * FROM saved_{table}")  # noqa: S608
    assert "sessions" in rows_naming(settings, "ann")
    reapply(settings, SystemClock(), 60, lambda _: None)
    assert rows_naming(settings, "ann") == {}
    assert {other: read_naming(settings, other) for other in before} == before


def test_facts_go_with_their_sessions(pipeline: Pipeline) -> None:
    assert "session_facts" in rows_naming(pipeline.settings, "ann")
    erased(pipeline.settings, "ann")
    assert rows_naming(pipeline.settings, "ann") == {}


def test_facts_that_outlive_their_session_go_too(pipeline: Pipeline) -> None:
    """As when both expire, and one table drops its rows first."""
    with clickhouse.connect(pipeline.settings) as client:
        client.command("DELETE FROM sessions WHERE startsWith(session_id, 'ann')")
    erased(pipeline.settings, "ann")
    assert rows_naming(pipeline.settings, "ann") == {}


def test_facts_that_are_being_computed_are_not_left_behind(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The computation has read the sessions before the erasure, and writes after it."""
    settings = pipeline.settings
    slow = facts._REFRESH.replace("SETTINGS", "AND sleepEachRow(0.4) = 0 SETTINGS", 1)
    monkeypatch.setattr(facts, "_REFRESH", slow)
    sink = ClickHouseSink(settings)
    sessions = sink.find_sessions(pa.array([f"ann-s{n}" for n in range(SESSIONS)]))
    with ThreadPoolExecutor(1) as beside, open_server(settings) as server:
        named = facts.touched(sessions, "created_at", is_posted=True)
        computing = beside.submit(sink.refresh_facts, named)
        live = clickhouse.database_of(settings)
        wait_until(lambda: bool(server.running_inserts(live)), seconds=10, pause=0.01)
        erased(settings, "ann")
        assert computing.done()
        computing.result()
    assert rows_naming(settings, "ann") == {}


def test_without_workers_it_is_deleted_and_not_yet_proven(
    settings: Settings, tmp_path: Path
) -> None:
    traffic = Traffic(settings)
    with Fleet(settings, tmp_path, count=1) as fleet:
        post_user(traffic, "ann")
        traffic.flush()
        fleet.catch_up()
    traffic.event("ann-s0", "that nobody has read")
    traffic.session("ann-unread", user_id="ann")
    traffic.flush()
    with pytest.raises(SinkBehind, match="run it again"):
        erase(
            settings, "ann", requested_by=None, clock=SystemClock(), seconds=6, log=lambda _: None
        )
    assert views_naming(settings, "ann") == {}
    with Fleet(settings, tmp_path, count=1) as fleet:
        fleet.catch_up()
        metrics = httpx.get(f"{fleet.workers[0].url}/metrics").text
        assert "clickstream_worker_erased_total 1.0\n" in metrics
        erased(settings, "ann")
        assert rows_naming(settings, "ann") == {}


def test_an_erasure_that_loses_its_lease_deletes_nothing_more(pipeline: Pipeline) -> None:
    settings = pipeline.settings
    before = rows_naming(settings, "ann")
    with pytest.raises(SinkUnavailable, match="lease"):
        erase(
            settings,
            "ann",
            requested_by=None,
            clock=SystemClock(),
            seconds=60,
            log=lambda _: lose_lease(settings),
        )
    assert rows_naming(settings, "ann") == before
    erased(settings, "ann")
    assert rows_naming(settings, "ann") == {}


@pytest.mark.parametrize("off_ms", [-5_000, 5_000])
def test_a_clock_that_is_off_erases_nothing(settings: Settings, off_ms: int) -> None:
    class Off(SystemClock):
        def now_ms(self) -> int:
            return super().now_ms() + off_ms

    with pytest.raises(SinkUnavailable, match="clocks"):
        erase(settings, "ann", requested_by=None, clock=Off(), seconds=30, log=lambda _: None)


def test_a_replay_under_way_refuses_an_erasure(settings: Settings) -> None:
    with lease(settings), pytest.raises(LeaseHeld, match="is running"):
        erased(settings, "ann")
