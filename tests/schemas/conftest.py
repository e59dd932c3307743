from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from core.settings import Settings
    from tests.shared_engines import SharedEngines


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
