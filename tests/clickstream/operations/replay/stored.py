"""What a reader finds in the tables, row by row. Nothing here knows how a replay works."""

from __future__ import annotations

from typing import Any

from clickstream.operations.replay.checks import TABLES
from core import clickhouse
from core.settings import Settings
from stream_processors.join import table_columns

# What comes of the log: what a replay writes, and what it computes of that.
DERIVED = (*TABLES, table_columns.FACTS)

Contents = dict[str, list[tuple[Any, ...]]]


def contents(settings: Settings) -> Contents:
    """Every column of every row, by table; without waiting events that are adopted already."""
    found = {}
    with clickhouse.connect(settings) as client:
        for table in DERIVED:
            adopted = "WHERE session_id NOT IN (SELECT session_id FROM sessions)"
            where = adopted if table == "unjoined_events" else ""
            query = f"SELECT * FROM {table} FINAL {where} ORDER BY ALL"  # noqa: S608 - our names
            found[table] = [tuple(row) for row in client.query(query).result_rows]
    return found


def empty(settings: Settings, but: set[str]) -> None:
    """Lose all tables that a replay writes, `but` some."""
    with clickhouse.connect(settings) as client:
        for table in set(DERIVED) - but:
            client.command(f"TRUNCATE TABLE {table}")


def number(settings: Settings, query: str) -> int:
    """The answer of a query for one number."""
    with clickhouse.connect(settings) as client:
        return int(client.query(query).result_rows[0][0])


def databases(settings: Settings) -> set[str]:
    """The settings' database, and all whose names begin like it."""
    live = clickhouse.database_of(settings)
    with clickhouse.connect(settings, database="system") as client:
        found = client.query(
            "SELECT name FROM databases WHERE startsWith(name, {live:String})",
            parameters={"live": live},
        )
        return {str(name).removeprefix(live) for (name,) in found.result_rows}


def drop_kept(settings: Settings) -> None:
    """Databases that an operation has left; the fixture knows only the live one."""
    live = clickhouse.database_of(settings)
    with clickhouse.connect(settings, database="system") as client:
        for suffix in databases(settings) - {""}:
            client.command(f"DROP DATABASE {live}{suffix} SYNC")
