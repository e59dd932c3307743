"""What ClickHouse does not get done is given up, and ended there."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from clickstream.operations.backup import clickhouse_backup, queries
from clickstream.operations.backup.storage import LocalStorage
from clickstream.progress import ConsoleProgress
from core.clickhouse.admin import Server
from core.clickhouse.layout import Layout
from core.errors import SinkUnavailable


class StalledServer:
    """It copies half, and no more."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    def layout_of(self, database: str) -> Layout:
        return Layout(database)

    def command(self, statement: str, **_: object) -> None:
        self.commands.append(statement)

    def rows(self, _: str, **__: object) -> list[tuple[Any, ...]]:
        return [("CREATING_BACKUP", "", 100, 50, 0)]


class FindingMore(StalledServer):
    """It finds more to copy while it copies: twice as much as it knew at first."""

    def __init__(self) -> None:
        super().__init__()
        told = [(100, 0), (100, 50), (200, 90), (200, 200)]
        self.answers = [("CREATING_BACKUP", "", *each, 0) for each in told]

    def rows(self, _: str, **__: object) -> list[tuple[Any, ...]]:
        if not self.answers:
            return [("BACKUP_CREATED", "", 200, 200, 0)]
        return [self.answers.pop(0)]


def test_progress_never_goes_beyond_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clickhouse_backup, "_POLL_SECONDS", 0.001)
    shown = io.StringIO()
    clickhouse_backup.run_backup(
        cast(Server, FindingMore()),
        "live",
        ["sessions"],
        LocalStorage(Path("/backups/a")),
        ConsoleProgress(Console(file=shown)),
        lambda: None,
    )
    lines = [line.rpartition(": ")[2].split(" of ") for line in shown.getvalue().splitlines()]
    assert lines
    assert all(int(done) <= int(end) for done, end in lines)


def test_a_copy_that_no_longer_moves_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clickhouse_backup, "_STALLED_SECONDS", 0.3)
    server = StalledServer()
    with pytest.raises(SinkUnavailable, match="copied nothing"):
        clickhouse_backup.run_backup(
            cast(Server, server),
            "live",
            ["sessions"],
            LocalStorage(Path("/backups/a")),
            ConsoleProgress(Console(file=io.StringIO())),
            lambda: None,
        )
    assert server.commands[-1] == queries.KILL
