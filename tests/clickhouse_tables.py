"""What tests do to tables themselves, on one server and on a cluster."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.settings import Settings


def truncate(settings: Settings, *tables: str) -> None:
    """Delete all rows, on every replica."""
    with ThreadPoolExecutor(8 if settings.clickhouse_cluster else 1) as pool:
        list(pool.map(lambda table: on_table(settings, "TRUNCATE TABLE {}", table), tables))


def on_table(settings: Settings, statement: str, table: str, **options: object) -> None:
    """Run a statement on this table, whose name stands at `{}`, on every node. `options` are
    settings of ClickHouse."""
    from core.clickhouse.client import connect
    from core.clickhouse.layout import Layout
    from schemas.cluster_sql import database_of_table

    layout = Layout.of(settings)
    text = layout.on_every_node(statement.format(f"{database_of_table(table, layout)}.{table}"))
    with connect(settings) as client:
        client.command(text, settings={"alter_sync": 2, **options})
