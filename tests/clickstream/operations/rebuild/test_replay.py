"""Kafka → shadow tables → swap, on real engines: afterwards everything is what it was."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from clickstream.operations.dead_letters.dead_letter import Selection
from clickstream.operations.dead_letters.store import DeadLetterStore
from clickstream.operations.rebuild.start_point import Earliest, FromOffset, FromTime, Origin
from core.clock import SystemClock
from core.errors import SetupError
from tests.clickstream.operations.rebuild.silent import Silent
from tests.clickstream.operations.rebuild.stored import contents, databases, drop_kept, number

if TYPE_CHECKING:
    from clickstream.operations.rebuild.run import Outcome
    from core.settings import Settings
    from tests.clickstream.operations.rebuild.conftest import Filled

pytestmark = pytest.mark.engines


def replayed(settings: Settings, origin: Origin, *, keep_old: bool = False) -> Outcome:
    from clickstream.operations.rebuild.run import replay

    return replay(settings, origin, SystemClock(), Silent(), keep_old=keep_old)


def test_the_history_is_worth_replaying(filled: Filled) -> None:
    counts = {table: len(rows) for table, rows in filled.contents.items()}
    assert counts == {
        "sessions": 62,
        "events": 2 * (30 * 5 + 30 + 1),
        "session_marks": 2 * (30 * 2 // 3 + 1),
        "unjoined_events": 20,
        "dead_letters": 12,
    }


def test_from_earliest_every_row_is_what_it_was(filled: Filled) -> None:
    outcome = replayed(filled.settings, Earliest())
    assert outcome.equal
    assert outcome.on_their_way == 0
    assert contents(filled.settings) == filled.contents
    assert {t.table: t.after.rows for t in outcome.tables} == {
        table: len(rows) for table, rows in filled.contents.items()
    }
    assert databases(filled.settings) == {""}


@pytest.mark.parametrize("offset", [0, 3, 20, 10**9])
def test_from_an_offset_older_rows_are_kept(filled: Filled, offset: int) -> None:
    outcome = replayed(filled.settings, FromOffset(offset))
    assert outcome.equal
    assert contents(filled.settings) == filled.contents


def test_from_a_time_only_what_came_later_is_read(filled: Filled) -> None:
    everything = replayed(filled.settings, FromOffset(0))
    later = replayed(filled.settings, FromTime(filled.between_ms))
    assert 0 < later.records < everything.records
    assert later.equal
    assert contents(filled.settings) == filled.contents


def test_a_damaged_table_is_mended_and_kept_for_a_look(filled: Filled) -> None:
    from core import clickhouse

    with clickhouse.connect(filled.settings) as client:
        client.command("DELETE FROM events WHERE event_id = 'click-1'")
        client.command("DELETE FROM sessions WHERE session_id = 'one-4'")
    outcome = replayed(filled.settings, Earliest())
    assert [t.table for t in outcome.tables if not t.equal] == ["events", "sessions"]
    assert contents(filled.settings) == filled.contents
    assert outcome.kept is not None
    query = f"SELECT count() FROM {outcome.kept}.events WHERE event_id = 'click-1'"  # noqa: S608
    assert number(filled.settings, query) == 0
    drop_kept(filled.settings)


def test_old_tables_stay_on_request_and_do_not_hinder_the_next_replay(filled: Filled) -> None:
    kept = replayed(filled.settings, Earliest(), keep_old=True).kept
    assert kept is not None
    assert replayed(filled.settings, Earliest()).kept is None
    query = f"SELECT count() FROM {kept}.sessions"  # noqa: S608 - a name of our own
    assert number(filled.settings, query) >= len(filled.contents["sessions"])
    drop_kept(filled.settings)


def test_the_views_read_the_rebuilt_tables(filled: Filled) -> None:
    query = "SELECT count() FROM relevant_sessions"
    before = number(filled.settings, query)
    replayed(filled.settings, Earliest())
    assert number(filled.settings, query) == before > 0


def test_a_second_replay_at_the_same_time_is_refused(filled: Filled) -> None:
    from core.clickhouse.lease import lease

    with lease(filled.settings), pytest.raises(SetupError, match="another replay"):
        replayed(filled.settings, Earliest())


def test_the_command_prints_checksums_and_says_that_they_are_equal(filled: Filled) -> None:
    from tests.e2e.process_pair import environment_of

    done = subprocess.run(
        [sys.executable, "-m", "clickstream", "replay", "--from", "earliest", "--json"],
        env=environment_of(filled.settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["equal"]
    assert {table["table"] for table in printed["tables"]} == set(filled.contents)
    assert all(table["before"] == table["after"] for table in printed["tables"])
    assert contents(filled.settings) == filled.contents


def test_purged_dead_letters_stay_purged_and_do_not_count(filled: Filled) -> None:
    """The last test here: what was purged is remembered for as long as the database."""
    with DeadLetterStore(filled.settings, SystemClock()) as store:
        found = store.summaries(Selection())
        purged, kept = found[:5], found[5:]
        store.purge(purged)
        outcome = replayed(filled.settings, Earliest())
        assert outcome.equal
        assert store.summaries(Selection()) == kept
