"""Backups of a running pipeline, and restores from them, on real engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clickstream.operations.backup import create, restore
from clickstream.operations.backup.manifest import SavedTopic, from_json, to_json
from clickstream.operations.replay.start_point import FromOffset
from core.errors import SetupError
from tests.clickstream.operations.backup.world import (
    drop,
    folder_of,
    fresh_database,
    restored,
    saved,
)
from tests.clickstream.operations.erasure.world import erased, post_user, rows_naming
from tests.clickstream.operations.replay.silent import Silent
from tests.clickstream.operations.replay.stored import Contents, contents, databases, drop_kept
from tests.clickstream.operations.replay.test_traffic import Ledger, meanwhile
from tests.clickstream.operations.replay.traffic import Traffic, post_history
from tests.stream_processors.fleet import Fleet

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]


@pytest.fixture
def lost(settings: Settings) -> Iterator[Settings]:
    """The settings with an empty database, as after its loss."""
    with fresh_database(settings) as fresh:
        yield fresh
        drop_kept(fresh)


def without_moments(found: Contents) -> Contents:
    """Without the times at which workers rejected dead letters: a record that is read again is
    rejected again."""
    dead_letters = [
        tuple(value for value in row if not isinstance(value, datetime))
        for row in found["dead_letters"]
    ]
    return {**found, "dead_letters": dead_letters}


def test_a_backup_under_load_and_kafka_make_the_same_tables(
    settings: Settings, lost: Settings, tmp_path: Path
) -> None:
    from clickstream.operations.replay.run import replay
    from core.clock import SystemClock

    traffic, source = Traffic(settings), folder_of(settings)
    ledger = Ledger(traffic)
    with Fleet(settings, tmp_path / "one", count=1) as fleet:
        post_history(traffic, "one", other="two")
        fleet.catch_up()
        with meanwhile(ledger.post):
            backup = saved(settings, source)
        post_history(traffic, "two", other="one")
        fleet.catch_up()
    assert databases(settings) == {""}
    original = contents(settings)
    assert all(table.rows for table in backup.manifest.tables if table.name in original)

    outcome = restored(lost, source)

    assert outcome.offset_plan is not None
    assert outcome.offset_plan.records_to_reprocess > 0
    assert not outcome.warnings
    with Fleet(lost, tmp_path / "two", count=1) as fleet:
        fleet.catch_up()
        assert without_moments(contents(lost)) == without_moments(original)
        replay(lost, FromOffset(20), SystemClock(), Silent())
    assert without_moments(contents(lost)) == without_moments(original)


def test_what_is_written_between_the_two_moments_of_a_backup_is_not_lost(
    settings: Settings, lost: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic, source = Traffic(settings), folder_of(settings)
    traffic.event("late", "waits")
    traffic.flush()
    with Fleet(settings, tmp_path / "one", count=1) as fleet:
        fleet.catch_up()

        def written_in_between(
            offsets: Callable[[], tuple[SavedTopic, ...]], tables: Callable[[], list[str]]
        ) -> tuple[tuple[SavedTopic, ...], list[str]]:
            between: list[str] = []

            def post_and_wait() -> None:
                traffic.session("late")
                traffic.event("late", "follows")
                traffic.session("between")
                traffic.flush()
                fleet.catch_up()
                between.append("done")

            def first(step: Callable[[], object]) -> Callable[[], object]:
                def run() -> object:
                    result = step()
                    if not between:
                        post_and_wait()
                    return result

                return run

            return real(first(offsets), first(tables))  # type: ignore[arg-type]

        real = create._offsets_then_tables
        monkeypatch.setattr(create, "_offsets_then_tables", written_in_between)
        saved(settings, source)
    original = contents(settings)
    restored(lost, source)
    with Fleet(lost, tmp_path / "two", count=1) as fleet:
        fleet.catch_up()
    assert contents(lost) == original
    assert len(original["events"]) == 2


def test_users_who_were_erased_since_stay_erased(
    settings: Settings, lost: Settings, tmp_path: Path
) -> None:
    traffic, source = Traffic(settings), folder_of(settings)
    with Fleet(settings, tmp_path / "one", count=1) as fleet:
        for user in ("ann", "bob", "cleo"):
            post_user(traffic, user)
        traffic.flush()
        fleet.catch_up()
        erased(settings, "cleo")
        bob = rows_naming(settings, "bob")
        saved(settings, source)
        erased(settings, "ann")

    outcome = restored(lost, source)

    assert sum(outcome.erased.values()) > 0
    assert rows_naming(lost, "ann") == rows_naming(lost, "cleo") == {}
    assert rows_naming(lost, "bob") == bob
    with Fleet(lost, tmp_path / "two", count=1) as fleet:
        traffic.event("ann-s0", "after the restore")
        traffic.flush()
        fleet.catch_up()
        assert rows_naming(lost, "ann") == rows_naming(lost, "cleo") == {}


@pytest.fixture(scope="module")
def taken(
    corner: Callable[..., object], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[object]:
    """A pipeline that stands still, and a backup of it."""
    with corner() as settings:  # type: ignore[attr-defined]
        traffic, source = Traffic(settings), folder_of(settings)
        with Fleet(settings, tmp_path_factory.mktemp("fleet"), count=1) as fleet:
            post_history(traffic, "one", other="two")
            fleet.catch_up()
        saved(settings, source)
        yield settings, source


Taken = tuple["Settings", Path]


def test_a_restore_into_another_database_touches_nothing_else(taken: Taken) -> None:
    settings, source = taken
    original = contents(settings)
    with fresh_database(settings) as other:
        from core.clickhouse.client import database_of

        outcome = restored(settings, source, into_database=database_of(other))
        assert outcome.offset_plan is None
        assert contents(other) == contents(settings) == original


def test_a_database_with_rows_is_refused_and_unharmed(taken: Taken) -> None:
    settings, source = taken
    original = contents(settings)
    with pytest.raises(SetupError, match=r"DROP DATABASE .*--into-database"):
        restored(settings, source)
    assert contents(settings) == original


def test_a_dry_run_changes_nothing(taken: Taken) -> None:
    settings, source = taken
    with fresh_database(settings) as lost:
        outcome = restore.preview(lost, str(source))
        assert outcome.offset_plan is not None
        assert outcome.offset_plan.records_to_reprocess == 0
        drop(lost)  # no error, whether there is one or not
        restored(lost, source)
        assert contents(lost) == contents(settings)


def test_a_folder_without_manifest_is_incomplete(taken: Taken, tmp_path: Path) -> None:
    settings, _ = taken
    with fresh_database(settings) as lost, pytest.raises(SetupError, match="not complete"):
        restored(lost, tmp_path)


def test_a_backup_that_is_cut_short_has_no_manifest(
    taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _ = taken
    target = folder_of(settings)

    def killed(*_: object) -> None:
        raise SetupError("killed")

    monkeypatch.setattr(create, "run_backup", killed)
    with pytest.raises(SetupError, match="killed"):
        saved(settings, target)
    assert databases(settings) == {""}
    with fresh_database(settings) as lost, pytest.raises(SetupError, match="not complete"):
        restored(lost, target)


def test_a_folder_with_something_in_it_is_not_written_to(taken: Taken) -> None:
    settings, source = taken
    with pytest.raises(SetupError, match="is not empty"):
        saved(settings, source)


def test_a_folder_that_clickhouse_may_not_use_says_what_to_do(taken: Taken, tmp_path: Path) -> None:
    settings, _ = taken
    with pytest.raises(SetupError, match="CLICKSTREAM_BACKUP__FOLDER"):
        saved(settings, tmp_path / "elsewhere")
    assert databases(settings) == {""}
    assert not (tmp_path / "elsewhere").exists()


def test_rows_that_are_not_those_that_were_saved_are_refused(taken: Taken) -> None:
    settings, source = taken
    # As when a part of a backup is exchanged for that of another one: whole, and not the same.
    other = folder_of(settings)
    saved(settings, other)
    manifest = from_json((other / "manifest.json").read_text(), str(other))
    altered = tuple(replace(each, checksum=each.checksum ^ 1) for each in manifest.tables)
    (other / "manifest.json").write_text(to_json(replace(manifest, tables=altered)))
    with fresh_database(settings) as lost:
        with pytest.raises(SetupError, match="changed or is damaged"):
            restored(lost, other)
        assert databases(lost) == set()
    assert source.exists()
