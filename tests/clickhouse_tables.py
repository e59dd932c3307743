"""What tests do to tables themselves, on one server and on a cluster."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.settings import Settings


def truncate(settings: Settings, *tables: str) -> None:
    """Delete all rows, on every replica. On a cluster that takes a second for each table, so those
    that have none are left out."""
    if settings.clickhouse_cluster:
        tables = _with_rows(settings, tables)
    on_tables(settings, "TRUNCATE TABLE {}", *tables)


def _with_rows(settings: Settings, tables: tuple[str, ...]) -> tuple[str, ...]:
    from core.clickhouse.client import connect

    each = " UNION ALL ".join(
        f"SELECT '{table}' AS name, count() AS number FROM {table}"  # noqa: S608 - names of ours
        for table in tables
    )
    with connect(settings) as client:
        counted = f"SELECT name FROM ({each}) WHERE number > 0"  # noqa: S608 - as above
        return tuple(name for (name,) in client.query(counted).result_rows)


def on_table(settings: Settings, statement: str, table: str, **options: object) -> None:
    """Run a statement on this table, whose name stands at `{}`, on every node. `options` are
    settings of ClickHouse."""
    on_tables(settings, statement, table, **options)


def on_tables(settings: Settings, statement: str, *tables: str, **options: object) -> None:
    """The same on several tables, on a cluster at once: there, each is a matter of waiting."""
    from core.clickhouse.client import connect
    from core.clickhouse.layout import Layout
    from schemas.cluster_sql import database_of_table

    layout = Layout.of(settings)

    def run(table: str) -> None:
        text = layout.on_every_node(statement.format(f"{database_of_table(table, layout)}.{table}"))
        client.command(text, settings={"alter_sync": 2, **options})

    with connect(settings) as client, ThreadPoolExecutor(8 if layout.cluster else 1) as pool:
        list(pool.map(run, tables))
