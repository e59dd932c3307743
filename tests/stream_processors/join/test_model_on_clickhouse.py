"""A shorter run of the model on real ClickHouse: its merges, its FINAL, its deletes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from core import clickhouse
from stream_processors.join import table_columns
from stream_processors.write.clickhouse import ClickHouseSink
from tests.clickhouse_tables import on_table, truncate
from tests.examples import examples
from tests.stream_processors.cluster import Store
from tests.stream_processors.join.test_model import Life
from tests.stream_processors.memory_sink import KEYS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from core.settings import Settings

pytestmark = [pytest.mark.engines, pytest.mark.timeout(900)]


class ClickHouseStore(ClickHouseSink):
    """The real sink, with tables that a test can look at."""

    def __init__(self, settings: Settings, client: Client) -> None:
        super().__init__(settings)
        self._reader = client
        noted = (table_columns.FACTS_PROGRESS, table_columns.ERASED_SESSIONS)
        truncate(settings, *KEYS, *noted)

    @property
    def tables(self) -> dict[str, dict[tuple[Any, ...], dict[str, Any]]]:
        return {table: self._read(table) for table in KEYS}

    def _read(self, table: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        found = self._reader.query(f"SELECT * FROM {table} FINAL").named_results()  # noqa: S608
        return {tuple(row[name] for name in KEYS[table]): row for row in found}


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    # The model's records are of 2023; a waiting event that old would be deleted by its age.
    on_table(settings, "ALTER TABLE {} REMOVE TTL", table_columns.UNJOINED)
    with clickhouse.connect(settings) as connected:
        yield connected


def test_random_lives_end_in_the_same_tables_on_clickhouse(
    settings: Settings, client: Client
) -> None:
    class RealLife(Life):
        def fresh_store(self) -> Store:
            return ClickHouseStore(settings, client)

    run_state_machine_as_test(
        RealLife,
        settings=hypothesis_settings(
            max_examples=examples(8),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
