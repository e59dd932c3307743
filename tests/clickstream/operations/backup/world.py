"""Take and restore a backup, for the tests of both."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clickstream.operations.backup.create import BackupResult, create_backup
from clickstream.operations.backup.restore import RestoreOptions, RestoreResult, restore
from core import clickhouse
from core.clickhouse import on_database
from core.clock import SystemClock
from core.settings import Settings
from tests.clickstream.operations.replay.silent import Silent


def folder_of(settings: Settings) -> Path:
    """A new name where the local ClickHouse may write: `backups` in its data folder."""
    with clickhouse.connect(settings, database="system") as client:
        found = client.query("SELECT path FROM disks WHERE name = 'default'").result_rows
    return Path(found[0][0]).parent.parent / "backups" / uuid.uuid4().hex


def saved(settings: Settings, target: Path) -> BackupResult:
    return create_backup(settings, str(target), SystemClock(), Silent())


def restored(settings: Settings, source: Path, **options: Any) -> RestoreResult:
    return restore(settings, str(source), SystemClock(), Silent(), RestoreOptions(**options))


@contextmanager
def fresh_database(settings: Settings) -> Iterator[Settings]:
    """The same pipeline after ClickHouse was lost: the same topics, group and registry."""
    elsewhere = on_database(settings, f"t{uuid.uuid4().hex[:10]}")
    try:
        yield elsewhere
    finally:
        drop(elsewhere)


def drop(settings: Settings) -> None:
    name = clickhouse.database_of(settings)
    with clickhouse.connect(settings, database="system") as client:
        client.command(f"DROP DATABASE IF EXISTS {name} SYNC")
