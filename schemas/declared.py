"""The declared ClickHouse schema against the live one.

What is declared is whatever the migrations make, so they are applied to a database of their own for
a moment, and ClickHouse's own description of both is compared: nothing here parses DDL.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

from core.clickhouse.client import connect, database_of, translate
from core.settings import Settings
from schemas.migrate import MIGRATIONS, apply, load
from schemas.retention import retain

# A part of the schema (a table, or a column of it) → its properties.
_Described = Mapping[str, Mapping[str, str]]

_CREATE: Final = "CREATE DATABASE {name:Identifier}"
_DROP: Final = "DROP DATABASE {name:Identifier} SYNC"

# engine_full holds partition key, sort key, TTL and settings; as_select a view's query.
_TABLES: Final = """
SELECT name, engine, engine_full, partition_key, sorting_key, primary_key, as_select, comment
FROM system.tables
WHERE database = {name:String} AND NOT is_temporary
ORDER BY name
"""
_COLUMNS: Final = """
SELECT
    table || '.' || name AS name, toString(position) AS position, type, default_kind,
    default_expression, compression_codec, comment
FROM system.columns
WHERE database = {name:String}
ORDER BY table, columns.position
"""


def diff(settings: Settings, directory: Path = MIGRATIONS) -> list[str]:
    """In what the live database differs from the declared one, each in a sentence; [] when equal.

    Compares tables, views and their queries, engines, keys, TTL, settings, columns, types, codecs,
    defaults, comments. Needs the right to create a database, and drops the one it makes.
    Raises SinkUnavailable, MigrationError.
    """
    migrations = load(directory)
    live = database_of(settings)
    with connect(settings, role="diff", database="system") as client, translate(settings):
        with _scratch(client, live) as scratch:
            with connect(settings, role="diff", database=scratch) as builder:
                apply(builder, migrations)
                retain(builder, settings.retention_days)
            declared_tables = _describe(client, _TABLES, scratch, shown_as=live)
            declared_columns = _describe(client, _COLUMNS, scratch, shown_as=live)
        live_tables = _describe(client, _TABLES, live, shown_as=live)
        live_columns = _describe(client, _COLUMNS, live, shown_as=live)
    differences = _compare(declared_tables, live_tables, "table")
    common = declared_tables.keys() & live_tables.keys()
    return differences + _compare(
        _of_tables(declared_columns, common), _of_tables(live_columns, common), "column"
    )


@contextmanager
def _scratch(client: Client, live: str) -> Iterator[str]:
    name = f"{live}_declared_{secrets.token_hex(4)}"
    client.command(_CREATE, parameters={"name": name})
    try:
        yield name
    finally:
        client.command(_DROP, parameters={"name": name})


def _describe(client: Client, query: str, database: str, *, shown_as: str) -> _Described:
    """Name → properties. The server writes a database's name into its views' queries."""
    result = client.query(query, parameters={"name": database})
    return {
        name: {
            what: str(value).replace(f"{database}.", f"{shown_as}.")
            for what, value in zip(result.column_names[1:], values, strict=True)
        }
        for name, *values in result.result_rows
    }


def _of_tables(columns: _Described, tables: set[str]) -> _Described:
    return {name: told for name, told in columns.items() if name.partition(".")[0] in tables}


def _compare(declared: _Described, live: _Described, kind: str) -> list[str]:
    missing = [f"{kind} {name} is declared and missing" for name in declared if name not in live]
    surplus = [f"{kind} {name} exists and is not declared" for name in live if name not in declared]
    changed = [
        f"{kind} {name}: {what.replace('_', ' ')} is {live[name][what]!r}, declared {wanted!r}"
        for name, properties in declared.items()
        if name in live
        for what, wanted in properties.items()
        if live[name][what] != wanted
    ]
    return missing + surplus + changed
