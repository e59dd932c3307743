"""The sizes of tables as metrics: read from ClickHouse, by one worker of a group."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY

from core.settings import Settings
from stream_processors.process.table_metrics import TableMetrics, TableSize, show


def rows_of(table: str) -> float | None:
    return REGISTRY.get_sample_value("clickstream_worker_table_rows", {"table": table})


def test_tables_that_are_gone_are_not_shown() -> None:
    show({"one": TableSize(2, 30), "two": TableSize(1, 5)})
    show({"one": TableSize(1, 31)})
    assert (rows_of("one"), rows_of("two")) == (31, None)


def test_who_does_not_own_the_first_partition_asks_nothing_and_shows_nothing() -> None:
    show({"one": TableSize(1, 31)})

    async def run() -> None:
        showing = asyncio.create_task(TableMetrics(Settings(_env_file=None)).run())
        await asyncio.sleep(0)
        showing.cancel()

    asyncio.run(run())
    assert rows_of("one") is None


@pytest.mark.engines
def test_waiting_events_are_counted(settings: Settings) -> None:
    from core import clickhouse

    with clickhouse.connect(settings) as client:
        client.command(
            "INSERT INTO unjoined_events (session_id, event_id, received_at) "
            "SELECT toString(number), 'e', now64(3) FROM numbers(3)"
        )
    sizes = TableMetrics(settings).read()
    assert sizes["unjoined_events"] == TableSize(1, 3)
