"""What the stack says when it cannot come up."""

from __future__ import annotations

from pathlib import Path

import pytest

from clickstream.local.up import stack
from clickstream.progress import ConsoleProgress
from core.errors import EngineError, MigrationError
from core.settings import Settings


class Servers:
    """None: nothing is started."""

    kafka_bootstrap_servers = "127.0.0.1:1"
    schema_registry_url = "http://127.0.0.1:1"

    def __init__(self, *_: object) -> None:
        """As the real ones are made."""

    def clickhouse_database_url(self, database: str) -> str:
        return f"http://127.0.0.1:1/{database}"

    def spawn(self) -> None: ...

    def wait(self) -> None: ...

    def stop(self) -> None: ...


def test_data_of_another_version_are_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "LocalServers", Servers)
    monkeypatch.setattr(stack, "fetch", lambda _: None)
    local = stack.LocalStack(stack.StackOptions(tmp_path, 0, 1), ConsoleProgress())

    def refuse(_: Settings) -> None:
        raise MigrationError("made before the first release")

    try:
        with pytest.raises(EngineError, match=r"another version: delete .* --data-dir") as told:
            local.start(refuse)
        assert str(tmp_path) in str(told.value)
    finally:
        local.stop()
