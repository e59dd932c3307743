"""Kafka → new tables → exchange: for rows that come out differently than they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clickstream.operations.replay.checks import TABLES
from clickstream.operations.replay.start_point import Earliest, FromOffset, Origin
from core import clickhouse
from core.clock import SystemClock
from core.errors import SetupError, SinkUnavailable
from tests.clickstream.operations.replay.silent import Silent
from tests.clickstream.operations.replay.stored import contents, databases, drop_kept, empty
from tests.clickstream.operations.replay.test_refusals import with_a_wide_window

if TYPE_CHECKING:
    from pathlib import Path

    from clickstream.operations.replay.run import Outcome
    from core.clickhouse.layout import Layout
    from core.settings import Settings
    from tests.clickstream.operations.replay.conftest import Filled

pytestmark = pytest.mark.engines


def rebuilt(settings: Settings, origin: Origin) -> Outcome:
    from clickstream.operations.replay.fresh import replay_fresh

    return replay_fresh(settings, origin, SystemClock(), Silent())


def statement(settings: Settings, sql: str) -> None:
    with clickhouse.connect(settings) as client:
        client.command(sql)


@pytest.mark.parametrize("origin", [Earliest(), FromOffset(20), FromOffset(10**9)], ids=str)
def test_every_row_is_what_it_was(filled: Filled, origin: Origin) -> None:
    outcome = rebuilt(filled.settings, origin)
    assert contents(filled.settings) == filled.contents
    assert outcome.after == {table: len(filled.contents[table]) for table in TABLES}
    assert databases(filled.settings) == {""}


def test_into_lost_tables_every_row_is_what_it_was(filled: Filled) -> None:
    empty(filled.settings, but={"dead_letters"})
    rebuilt(filled.settings, Earliest())
    assert contents(filled.settings) == filled.contents


def test_rows_that_come_out_differently_replace_the_old_ones(filled: Filled) -> None:
    rebuilt(with_a_wide_window(filled.settings), Earliest())
    found = contents(filled.settings)
    changed = [table for table, rows in found.items() if rows != filled.contents[table]]
    assert sorted(changed) == ["events", "session_facts", "sessions"]
    assert {t: len(rows) for t, rows in found.items()} == {
        t: len(rows) for t, rows in filled.contents.items()
    }
    rebuilt(filled.settings, Earliest())
    assert contents(filled.settings) == filled.contents


def test_a_table_stays_as_it_was_declared(filled: Filled) -> None:
    def declared() -> dict[str, str]:
        with clickhouse.connect(filled.settings) as client:
            found = client.query(
                "SELECT name, create_table_query FROM system.tables"
                " WHERE database = currentDatabase() AND endsWith(engine, 'MergeTree')"
            )
            return dict(found.result_rows)

    before = declared()
    rebuilt(filled.settings, Earliest())
    assert declared() == before


def test_no_worker_may_run(filled: Filled, tmp_path: Path) -> None:
    from tests.stream_processors.fleet import Fleet

    with Fleet(filled.settings, tmp_path, count=1) as fleet:
        fleet.shares()
        with pytest.raises(SetupError, match="1 workers are running"):
            rebuilt(filled.settings, Earliest())
    assert contents(filled.settings) == filled.contents


def test_no_worker_may_have_been_started_before_the_exchange(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clickstream.operations.log_offsets import LogOffsets

    counts = iter([0, 1])
    monkeypatch.setattr(LogOffsets, "workers", lambda _: next(counts))
    with pytest.raises(SetupError, match="1 workers are running"):
        rebuilt(with_a_wide_window(filled.settings), Earliest())
    assert contents(filled.settings) == filled.contents
    assert databases(filled.settings) == {""}


def test_a_worker_that_was_started_during_the_exchange_is_told(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clickstream.operations.log_offsets import LogOffsets

    counts = iter([0, 0, 1])
    monkeypatch.setattr(LogOffsets, "workers", lambda _: next(counts))
    with pytest.raises(SetupError, match="replay --from earliest"):
        rebuilt(filled.settings, Earliest())
    assert contents(filled.settings) == filled.contents


def test_a_table_that_feeds_a_view_is_not_taken_from_under_it(filled: Filled) -> None:
    statement(
        filled.settings,
        "CREATE MATERIALIZED VIEW fed ENGINE = Memory AS SELECT session_id FROM sessions",
    )
    with pytest.raises(SetupError, match="sessions feeds fed"):
        rebuilt(filled.settings, Earliest())
    statement(filled.settings, "DROP TABLE fed SYNC")


def test_what_one_that_was_killed_has_left_is_dropped_and_nothing_else(filled: Filled) -> None:
    from clickstream.operations.replay.fresh import fresh_database
    from core.clickhouse.admin import Owner, Purpose, open_server

    left = fresh_database(filled.settings)
    statement(filled.settings, f"CREATE DATABASE {left}")
    with pytest.raises(SetupError, match="rename it"):
        rebuilt(filled.settings, Earliest())
    statement(filled.settings, f"DROP DATABASE {left} SYNC")
    with open_server(filled.settings) as server:
        server.create(left, Owner(clickhouse.database_of(filled.settings), Purpose.FRESH_TABLES))
        server.command(f"CREATE TABLE {left}.sessions (x UInt8) ENGINE = Memory")
    rebuilt(filled.settings, Earliest())
    assert contents(filled.settings) == filled.contents
    drop_kept(filled.settings)


@pytest.mark.parametrize("exchanged", [1, 3])
def test_cut_short_in_the_exchange_it_is_completed_by_the_next(
    filled: Filled, monkeypatch: pytest.MonkeyPatch, exchanged: int
) -> None:
    from clickstream.operations.replay import fresh

    exchange, done = fresh.exchange, iter(range(exchanged))

    def fail_after_some(table: str, here: Layout, there: Layout) -> str:
        return exchange(table if next(done, None) is not None else "no_such_table", here, there)

    with monkeypatch.context() as patch:
        patch.setattr(fresh, "exchange", fail_after_some)
        with pytest.raises(SinkUnavailable):
            rebuilt(filled.settings, Earliest())
    assert contents(filled.settings) == filled.contents
    rebuilt(filled.settings, FromOffset(20))
    assert contents(filled.settings) == filled.contents
