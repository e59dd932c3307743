"""What a replay would break, it refuses to touch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clickstream.operations.rebuild.start_point import Earliest
from core import clickhouse
from core.clock import SystemClock
from core.errors import SetupError
from tests.clickstream.operations.rebuild.silent import Silent
from tests.clickstream.operations.rebuild.stored import contents, databases, drop_kept

if TYPE_CHECKING:
    from core.settings import Settings
    from tests.clickstream.operations.rebuild.conftest import Filled

pytestmark = pytest.mark.engines


@contextmanager
def refused(settings: Settings, why: str) -> Iterator[None]:
    from clickstream.operations.rebuild.run import replay

    with pytest.raises(SetupError, match=why):
        replay(settings, Earliest(), SystemClock(), Silent())
    yield
    assert databases(settings) == {""}


def statement(settings: Settings, sql: str) -> None:
    with clickhouse.connect(settings) as client:
        client.command(sql)


def with_a_wide_window(settings: Settings) -> Settings:
    """Settings by which the sessions of 2017 get a day of their own."""
    worker = settings.worker.model_copy(update={"day_window_past": 100_000})
    return settings.model_copy(update={"worker": worker})


def test_a_change_of_the_tables_that_no_migration_made_is_not_undone(filled: Filled) -> None:
    statement(filled.settings, "ALTER TABLE events ADD COLUMN ours String")
    with refused(filled.settings, "events in .* is not as schemas/tables declares it"):
        statement(filled.settings, "ALTER TABLE events DROP COLUMN ours")


def test_a_table_that_feeds_a_view_is_not_taken_from_under_it(filled: Filled) -> None:
    statement(
        filled.settings,
        "CREATE MATERIALIZED VIEW fed ENGINE = Memory AS SELECT session_id FROM sessions",
    )
    with refused(filled.settings, "sessions feeds fed"):
        statement(filled.settings, "DROP TABLE fed SYNC")


def test_sessions_that_come_out_differently_wait_until_no_worker_remembers_them(
    filled: Filled, tmp_path: Path
) -> None:
    from clickstream.operations.rebuild.run import replay
    from tests.stream_processors.fleet import Fleet

    other = with_a_wide_window(filled.settings)
    with Fleet(filled.settings, tmp_path, count=1) as fleet:
        fleet.shares()
        with refused(other, "2 stored sessions .* 1 running workers"):
            assert contents(filled.settings) == filled.contents
    changed = replay(other, Earliest(), SystemClock(), Silent())
    assert [table.table for table in changed.tables if not table.equal] == ["events", "sessions"]
    replay(filled.settings, Earliest(), SystemClock(), Silent())
    assert contents(filled.settings) == filled.contents
    drop_kept(filled.settings)
