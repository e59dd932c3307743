"""The SQL of backup and restore.

Names that cannot be bound as parameters are quoted here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clickhouse_connect.driver.binding import format_str as literal
from clickhouse_connect.driver.binding import quote_identifier as identifier

from core.clickhouse.cluster_lease import LEASES
from core.clickhouse.layout import Layout
from schemas.cluster_sql import empty_copy, parts_of, table_itself
from schemas.migrate import RECORD

# Tables that are not backed up: they are made by `migrate`.
DERIVED: Final = (RECORD, LEASES)

TABLES: Final = """
SELECT name FROM system.tables
WHERE database IN {databases:Array(String)} AND endsWith(engine, 'MergeTree')
    AND name NOT IN {derived:Array(String)} AND NOT startsWith(name, '.inner')
ORDER BY name
"""
MIGRATIONS: Final = f"""
SELECT path, checksum FROM {{database:Identifier}}.{RECORD} FINAL
WHERE startsWith(path, 'migrations/')
ORDER BY path
"""  # noqa: S608 - our own name

# Counts only the newest version of a row; `final` changes nothing for tables without versions.
CHECKSUM: Final = """
SELECT count(), sum(cityHash64(formatRow('RowBinary', *))) FROM $rows SETTINGS final = 1
"""
ROWS: Final = "SELECT count() FROM $rows"
SHARDS: Final = "SELECT max(shard_num) FROM system.clusters WHERE cluster = {cluster:String}"

# With SYNC the statement answers when the query has ended, and its database can be dropped.
KILL: Final = """
KILL QUERY WHERE query_id IN (SELECT query_id FROM system.backups WHERE id = {id:String}) SYNC
"""
PROGRESS: Final = """
SELECT toString(status), error, total_size, uncompressed_size, bytes_read
FROM system.backups WHERE id = {id:String}
"""


def snapshot(table: str, live: Layout, staging: Layout) -> list[str]:
    """Statements that make a table of the present parts of another one, by hard links.

    They copy no data. Merges are stopped before the parts are attached: a merge would also delete
    rows by their age, and the rows that are counted must not change.
    """
    return [
        empty_copy(table, live, staging),
        stop_merges(table, staging),
        *parts_of(table, live, staging),
    ]


def stop_merges(table: str, layout: Layout) -> str:
    """Stops merges until `start_merges`, or until the server restarts."""
    return layout.on_every_node(f"SYSTEM STOP MERGES {table_itself(table, layout)}")


def start_merges(table: str, layout: Layout) -> str:
    """Starts them again."""
    return layout.on_every_node(f"SYSTEM START MERGES {table_itself(table, layout)}")


def backup(layout: Layout, tables: Sequence[str], target: str, id_: str) -> str:
    """Starts a BACKUP that runs on; PROGRESS tells its state."""
    listed = ", ".join(f"TABLE {table_itself(table, layout)}" for table in tables)
    return f"BACKUP {listed}{layout.on_cluster} TO {target} SETTINGS id = {literal(id_)} ASYNC"


def restore(
    saved: Layout,
    layout: Layout,
    tables: Sequence[str],
    source: str,
    id_: str,
    *,
    structure_only: bool,
) -> str:
    """Starts a RESTORE of the tables into another database; PROGRESS tells its state."""
    listed = ", ".join(
        f"TABLE {table_itself(table, saved)} AS {table_itself(table, layout)}" for table in tables
    )
    settings = f"id = {literal(id_)}, structure_only = {int(structure_only)}"
    return f"RESTORE {listed}{layout.on_cluster} FROM {source} SETTINGS {settings} ASYNC"


def write_bucket(function: str, text: str) -> str:
    """Writes a text as one object. Fails when the object exists."""
    return f"INSERT INTO FUNCTION {function} SELECT {literal(text)}"


def read_bucket(function: str) -> str:
    """Answers the object as one row."""
    return f"SELECT line FROM {function}"  # noqa: S608 - quoted


def rename_database(old: str, new: str, on_cluster: str) -> str:
    """Gives a database, with all that it holds, another name."""
    return f"RENAME DATABASE {identifier(old)} TO {identifier(new)}{on_cluster}"
