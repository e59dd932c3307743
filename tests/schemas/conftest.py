from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from core.settings import Settings
    from tests.shared_engines import SharedEngines


TABLE = "CREATE TABLE IF NOT EXISTS t (b Int8) ENGINE = MergeTree ORDER BY b"
VIEW = "CREATE OR REPLACE VIEW v AS SELECT * FROM t"

Folder: TypeAlias = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Makes a folder like schemas/ from path → SQL; each call replaces the one before."""

    def write(files: Mapping[str, str]) -> Path:
        root = tmp_path / "sql"
        shutil.rmtree(root, ignore_errors=True)
        for path, sql in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(sql, encoding="utf-8")
        return root

    return write


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a Settings object where a command reads its own from; keywords replace whole groups."""

    def put(settings: Settings, **groups: object) -> None:
        plain = {
            "kafka_bootstrap_servers": settings.kafka_bootstrap_servers,
            "schema_registry_url": settings.schema_registry_url,
            "clickhouse_url": settings.clickhouse_url.get_secret_value(),
            "topics": settings.topics.model_dump(),
            **groups,
        }
        for name, value in plain.items():
            text = value if isinstance(value, str) else json.dumps(value)
            monkeypatch.setenv(f"CLICKSTREAM_{name.upper()}", text)

    return put


@pytest.fixture
def fresh(engines: SharedEngines) -> Iterator[Settings]:
    """Settings whose ClickHouse database does not exist yet; dropped afterwards."""
    from pydantic import SecretStr

    from core.clickhouse.client import connect, database_of
    from core.settings import Settings

    url = engines.clickhouse_database_url(f"m{uuid.uuid4().hex}")
    settings = Settings(_env_file=None, clickhouse_url=SecretStr(str(url)))
    yield settings
    with connect(settings, database="system") as client:
        client.command(f"DROP DATABASE IF EXISTS {database_of(settings)} SYNC")
