"""The live ClickHouse schema against the declared one.

What is declared is in `golden.json`: ClickHouse's own description of a database that the files of
this folder made. `make golden` writes it, and a test compares it with a new database, so nothing
here parses DDL and nothing is written to the server that is examined.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

from core.clickhouse.client import connect, translate
from core.clickhouse.cluster_lease import LEASES
from core.clickhouse.layout import Layout
from core.settings import Settings
from schemas.retention import expiries

GOLDEN: Final = Path(__file__).with_name("golden.json")

# A part of the schema (a table, or a column of it) → its properties that are not empty.
Described = Mapping[str, Mapping[str, str]]

# engine_full holds partition key, sort key, TTL and settings; as_select a view's query.
_TABLES: Final = r"""
SELECT
    name, engine,
    replaceRegexpOne(live.engine_full, ' TTL .*?( SETTINGS |$)', '\\1') AS engine_full,
    extract(live.engine_full, ' TTL (.*?)(?: SETTINGS |$)') AS ttl,
    partition_key, sorting_key, primary_key, as_select, indexes,
    extract(create_table_query, ' SQL SECURITY (\\w+)') AS sql_security, comment
FROM system.tables AS live
LEFT JOIN
(
    SELECT database, table, arrayStringConcat(groupArray(name || ' ' || expr || ' ' || type_full
        || ' ' || toString(granularity)), ', ') AS indexes
    FROM (SELECT * FROM system.data_skipping_indices ORDER BY name)
    GROUP BY database, table
) AS skipping ON skipping.database = live.database AND skipping.table = live.name
WHERE live.database = {database:String} AND NOT is_temporary
ORDER BY name
"""
_COLUMNS: Final = """
SELECT
    table || '.' || name AS name, toString(position) AS position, type, default_kind,
    default_expression, compression_codec, comment
FROM system.columns
WHERE database = {database:String}
ORDER BY table, columns.position
"""
# Servers of different versions write one query in different ways, each always in the same.
_FORMAT: Final = "SELECT arrayMap(query -> formatQuerySingleLine(query), {queries:Array(String)})"
_DATABASE: Final = "clickstream"

# What a cluster adds to an engine, and to the name of a parameterised view.
_REPLICATED: Final = (
    (re.compile(r"^Replicated(\w*MergeTree)\('/[^']*', '[^']*'\)"), r"\1"),
    (re.compile(r"^Replicated(\w*MergeTree\()'/[^']*', '[^']*', "), r"\1"),
    (re.compile(r"^Replicated(\w*MergeTree)$"), r"\1"),
    (re.compile(r"\bFROM `\w+\.(\w+)`\("), r"FROM \1("),
)


def differences(settings: Settings) -> list[str]:
    """In what the live database differs from the declared one, each in a sentence; [] when equal.

    Compares tables, views and their queries, engines, keys, TTL, settings, columns, types, codecs,
    defaults, comments. Reads system tables only. Raises SinkUnavailable.
    """
    declared_tables, declared_columns = declared(settings.retention_days)
    with connect(settings, role="diff", database="system") as client, translate(settings):
        live_tables, live_columns = describe_layout(client, Layout.of(settings))
        declared_tables = _formatted(client, declared_tables)
        live_tables = _formatted(client, live_tables)
    common = declared_tables.keys() & live_tables.keys()
    return _compare(declared_tables, live_tables, "table") + _compare(
        _of_tables(declared_columns, common), _of_tables(live_columns, common), "column"
    )


def declared(retention_days: int = 0) -> tuple[Described, Described]:
    """Tables and views, and their columns as `table.column`, as golden.json has them."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    tables = {name: dict(properties) for name, properties in golden["tables"].items()}
    for expiry in expiries(retention_days):
        tables[expiry.table]["ttl"] = expiry.ttl
    return tables, golden["columns"]


def describe(client: Client, database: str) -> tuple[dict[str, Mapping[str, str]], Described]:
    """The same of a database on a server, which is called `clickstream` in the queries of views."""
    return _described(client, _TABLES, database), _described(client, _COLUMNS, database)


def describe_layout(client: Client, layout: Layout) -> tuple[Described, Described]:
    """The same of one server, or of the node of a cluster, as it would be on one server: without
    what replicates a table, and without the Distributed tables over those of the shards."""
    tables, columns = describe(client, layout.database)
    if not layout.cluster:
        return tables, columns
    tables.pop(LEASES, None)  # a cluster alone has it
    shard_tables, shard_columns = describe(client, layout.shard_database)
    alone = {
        name: {what: as_on_one_server(value) for what, value in properties.items()}
        for name, properties in {**tables, **shard_tables}.items()
    }
    return dict(sorted(alone.items())), {
        **_of_tables(columns, tables.keys() - shard_tables.keys()),
        **shard_columns,
    }


def as_on_one_server(value: str) -> str:
    """An engine, or the query of a view, without what a cluster adds to it. Pure."""
    for pattern, plain in _REPLICATED:
        value = pattern.sub(plain, value)
    return value


def _described(client: Client, query: str, database: str) -> dict[str, Mapping[str, str]]:
    result = client.query(query, parameters={"database": database})
    return {
        name: {
            what: re.sub(rf"\b(FROM|JOIN) {database}\.", rf"\1 {_DATABASE}.", str(value))
            for what, value in zip(result.column_names[1:], values, strict=True)
            if str(value)
        }
        for name, *values in result.result_rows
    }


def _formatted(client: Client, tables: Described) -> Described:
    views = [name for name, properties in tables.items() if "as_select" in properties]
    queries = [tables[name]["as_select"] for name in views]
    formatted = client.query(_FORMAT, parameters={"queries": queries}).result_rows[0][0]
    texts = dict(zip(views, formatted, strict=True))
    return {
        name: {**properties, "as_select": texts[name]} if name in texts else properties
        for name, properties in tables.items()
    }


def _of_tables(columns: Described, tables: set[str]) -> Described:
    return {name: told for name, told in columns.items() if name.partition(".")[0] in tables}


def _compare(declared: Described, live: Described, kind: str) -> list[str]:
    missing = [f"{kind} {name} is declared and missing" for name in declared if name not in live]
    surplus = [f"{kind} {name} exists and is not declared" for name in live if name not in declared]
    changed = [
        f"{kind} {name}: {what.replace('_', ' ')} is {live[name].get(what, '')!r},"
        f" declared {properties.get(what, '')!r}"
        for name, properties in declared.items()
        if name in live
        for what in {**properties, **live[name]}
        if live[name].get(what) != properties.get(what)
    ]
    return missing + surplus + changed
