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
