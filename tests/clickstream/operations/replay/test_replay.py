"""Kafka → the live tables, on real engines: what is there stays as it is, what was lost is back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from clickstream.operations.dead_letters.dead_letter import Selection
from clickstream.operations.dead_letters.store import DeadLetterStore
from clickstream.operations.replay.checks import TABLES
from clickstream.operations.replay.start_point import Earliest, FromOffset, FromTime, Origin
from core import clickhouse
from core.clock import SystemClock
from core.errors import LeaseHeld
from stream_processors.write.clickhouse import ClickHouseSink
from tests.clickstream.operations.replay.silent import Silent
from tests.clickstream.operations.replay.stored import contents, databases, empty, number

if TYPE_CHECKING:
    from clickstream.operations.replay.run import Outcome
    from core.settings import Settings
    from tests.clickstream.operations.replay.conftest import Filled

pytestmark = pytest.mark.engines


def replayed(settings: Settings, origin: Origin, **options: Any) -> Outcome:
    from clickstream.operations.replay.run import replay

    return replay(settings, origin, SystemClock(), Silent(), **options)


def test_the_history_is_worth_replaying(filled: Filled) -> None:
    counts = {table: len(rows) for table, rows in filled.contents.items()}
    assert counts == {
        "sessions": 62,
        "events": 2 * (30 * 5 + 30 + 1),
        "session_marks": 2 * (30 * 2 // 3 + 1),
        "unjoined_events": 20,
        "dead_letters": 12,
        "session_facts": 62,
    }


def test_into_full_tables_it_changes_nothing_also_when_repeated(filled: Filled) -> None:
    outcome = replayed(filled.settings, Earliest())
    changed = {table for table, rows in outcome.before.items() if rows != outcome.after[table]}
    assert changed <= {"unjoined_events"}, "which a worker may have left with adopted ones"
    assert contents(filled.settings) == filled.contents
    assert replayed(filled.settings, Earliest()).records == outcome.records > 0
    assert contents(filled.settings) == filled.contents
    assert databases(filled.settings) == {""}


@pytest.mark.parametrize("rows", [150, 100_000])
def test_into_empty_tables_every_row_is_what_it_was(filled: Filled, rows: int) -> None:
    """`rows` a flush: with few of them, events wait for sessions of later flushes."""
    worker = filled.settings.worker.model_copy(update={"flush_rows": rows})
    empty(filled.settings, but={"dead_letters"})
    outcome = replayed(filled.settings.model_copy(update={"worker": worker}), Earliest())
    assert contents(filled.settings) == filled.contents
    assert outcome.before["sessions"] == 0
    assert outcome.after["sessions"] == len(filled.contents["sessions"])
    waiting = "SELECT count() FROM unjoined_events FINAL"
    assert number(filled.settings, waiting) == len(filled.contents["unjoined_events"])


def test_lost_dead_letters_are_back_with_the_moment_of_the_replay(filled: Filled) -> None:
    with clickhouse.connect(filled.settings) as client:
        client.command("CREATE TABLE saved ENGINE = Memory AS SELECT * FROM dead_letters")
    empty(filled.settings, but=set(filled.contents) - {"dead_letters"})
    replayed(filled.settings, Earliest())
    found = contents(filled.settings)["dead_letters"]
    failed_at = 8
    everything_else = [(*row[:failed_at], *row[failed_at + 1 :]) for row in found]
    was = filled.contents["dead_letters"]
    assert everything_else == [(*row[:failed_at], *row[failed_at + 1 :]) for row in was]
    with clickhouse.connect(filled.settings) as client:
        client.command("TRUNCATE TABLE dead_letters")
        client.command("INSERT INTO dead_letters SELECT * FROM saved")
        client.command("DROP TABLE saved SYNC")


@pytest.mark.parametrize("offset", [0, 3, 20, 10**9])
def test_from_an_offset_older_rows_stay(filled: Filled, offset: int) -> None:
    replayed(filled.settings, FromOffset(offset))
    assert contents(filled.settings) == filled.contents


def test_from_a_time_only_what_came_later_is_read(filled: Filled) -> None:
    everything = replayed(filled.settings, FromOffset(0))
    later = replayed(filled.settings, FromTime(filled.between_ms))
    assert 0 < later.records < everything.records
    assert contents(filled.settings) == filled.contents


def test_lost_rows_are_back(filled: Filled) -> None:
    with clickhouse.connect(filled.settings) as client:
        client.command("DELETE FROM events WHERE event_id = 'click-1'")
        client.command("DELETE FROM sessions WHERE session_id = 'one-4'")
    outcome = replayed(filled.settings, Earliest())
    changed = {table for table, rows in outcome.before.items() if rows != outcome.after[table]}
    assert changed == {"events", "sessions"}
    assert contents(filled.settings) == filled.contents


@pytest.mark.parametrize(
    "lost",
    [["sessions"], ["events"], ["sessions", "unjoined_events"], ["session_facts"]],
)
def test_a_lost_table_is_back(filled: Filled, lost: list[str]) -> None:
    empty(filled.settings, but=set(filled.contents) - set(lost))
    replayed(filled.settings, Earliest())
    assert contents(filled.settings) == filled.contents


def test_the_first_post_wins_against_one_that_was_stored_while_it_was_missing(
    filled: Filled,
) -> None:
    from clickstream.operations.log_offsets import LogOffsets
    from clickstream.operations.replay.log_to_tables import log_to_tables

    log = LogOffsets(filled.settings)
    empty(filled.settings, but={"dead_letters"})
    with log_to_tables(filled.settings, SystemClock()) as later:
        ends = log.ends()
        halves = {partition: end // 2 for partition, end in ends.items()}
        later.copy(halves, ends, Silent(), lambda _: None)
    again = "SELECT count() FROM sessions FINAL WHERE startsWith(search_query, 'posted again')"
    assert number(filled.settings, again) > 0
    replayed(filled.settings, Earliest())
    assert contents(filled.settings) == filled.contents


def test_an_event_that_is_stored_while_facts_are_computed_is_in_them(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that knows it may have computed older facts, which lose."""
    empty(filled.settings, but={"dead_letters"})
    compute = ClickHouseSink.refresh_facts

    def before_the_event(sink: ClickHouseSink, touched: pa.Table) -> None:
        monkeypatch.setattr(ClickHouseSink, "refresh_facts", compute)
        with clickhouse.connect(filled.settings) as client:
            client.command("CREATE TABLE late ENGINE = Memory AS SELECT * FROM events")
            client.command("DELETE FROM events WHERE session_id = 'one-4'")
            compute(sink, touched)
            client.command("INSERT INTO events SELECT * FROM late WHERE session_id = 'one-4'")
            client.command("DROP TABLE late SYNC")

    monkeypatch.setattr(ClickHouseSink, "refresh_facts", before_the_event)
    replayed(filled.settings, Earliest())
    assert contents(filled.settings) == filled.contents


def test_views_read_what_is_back(filled: Filled) -> None:
    query = "SELECT count() FROM relevant_sessions"
    before = number(filled.settings, query)
    empty(filled.settings, but={"dead_letters"})
    replayed(filled.settings, Earliest())
    assert number(filled.settings, query) == before > 0


def test_a_second_replay_at_the_same_time_is_refused(filled: Filled) -> None:
    from core.clickhouse.lease import lease

    with lease(filled.settings), pytest.raises(LeaseHeld, match="another replay"):
        replayed(filled.settings, Earliest())


def test_after_a_kill_it_goes_on_where_it_was(filled: Filled) -> None:
    from tests.e2e.process_pair import environment_of

    everything = replayed(filled.settings, Earliest()).records
    empty(filled.settings, but={"dead_letters"})
    flushes_of_100 = {"CLICKSTREAM_WORKER__FLUSH_ROWS": "100"}
    killed = subprocess.run(
        [sys.executable, "-m", "tests.clickstream.operations.replay.killed", "400"],
        env={**environment_of(filled.settings), **flushes_of_100},
        timeout=120,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert contents(filled.settings) != filled.contents
    outcome = replayed(filled.settings, Earliest())
    assert outcome.resumed
    assert 0 < outcome.records < everything
    assert contents(filled.settings) == filled.contents
    again = replayed(filled.settings, Earliest())
    assert (again.resumed, again.records) == (False, everything)


def test_one_that_was_cut_short_begins_again_elsewhere_or_on_request(filled: Filled) -> None:
    from clickstream.operations.log_offsets import LogOffsets
    from clickstream.operations.replay.resume import resume_point

    ends = LogOffsets(filled.settings).ends()
    everything = replayed(filled.settings, Earliest()).records
    for origin, options in ((FromOffset(0), {}), (Earliest(), {"restart": True})):
        with resume_point(filled.settings, Earliest()) as cut_short:
            cut_short.save(ends)
        outcome = replayed(filled.settings, origin, **options)
        assert (outcome.resumed, outcome.records) == (False, everything)


def test_the_command_prints_what_it_did(filled: Filled) -> None:
    from tests.e2e.process_pair import environment_of

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "clickstream", "replay", "--from", "earliest", *options],
            env=environment_of(filled.settings),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    done = run("--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["records"] > 0
    assert {table["table"] for table in printed["tables"]} == set(TABLES)
    assert all(table["rows_before"] == table["rows_after"] for table in printed["tables"])
    planned = json.loads(run("--json", "--dry-run").stdout)
    assert planned["records"] >= printed["records"]
    assert "would read" in run("--dry-run").stdout
    readable = run()
    assert "records: " in readable.stderr
    assert f"read {printed['records']:,} records from earliest" in readable.stdout
    assert contents(filled.settings) == filled.contents


def test_purged_dead_letters_stay_purged(filled: Filled) -> None:
    """The last test here: what was purged is remembered for as long as the database."""
    with DeadLetterStore(filled.settings, SystemClock()) as store:
        found = store.summaries(Selection())
        purged, kept = found[:5], found[5:]
        store.purge(purged)
        replayed(filled.settings, Earliest())
        assert store.summaries(Selection()) == kept
