"""The SQL of backup and restore.

Names that cannot be bound as parameters are quoted here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clickhouse_connect.driver.binding import format_str as literal
from clickhouse_connect.driver.binding import quote_identifier as identifier

from schemas.migrate import RECORD

# Tables that are not backed up: they are made by `migrate`.
DERIVED: Final = (RECORD,)

TABLES: Final = """
SELECT name FROM system.tables
WHERE database = {database:String} AND endsWith(engine, 'MergeTree')
    AND name NOT IN {derived:Array(String)} AND NOT startsWith(name, '.inner')
ORDER BY name
"""
EXISTING: Final = "SELECT name FROM system.tables WHERE database = {database:String}"
MIGRATIONS: Final = f"""
SELECT path, checksum FROM {{database:Identifier}}.{RECORD} FINAL
WHERE startsWith(path, 'migrations/')
ORDER BY path
"""  # noqa: S608 - our own name

# Counts only the newest version of a row; `final` changes nothing for tables without versions.
CHECKSUM: Final = """
SELECT count(), sum(cityHash64(formatRow('RowBinary', *)))
FROM {database:Identifier}.{table:Identifier}
SETTINGS final = 1
"""
ROWS: Final = "SELECT count() FROM {database:Identifier}.{table:Identifier}"

# With SYNC the statement answers when the query has ended, and its database can be dropped.
KILL: Final = """
KILL QUERY WHERE query_id IN (SELECT query_id FROM system.backups WHERE id = {id:String}) SYNC
"""
PROGRESS: Final = """
SELECT toString(status), error, total_size, uncompressed_size, bytes_read
FROM system.backups WHERE id = {id:String}
"""


def attach_partitions(live: str, staging: str, table: str) -> list[str]:
    """Statements that make a table of the present parts of another one, by hard links.

    They copy no data. Merges are stopped before the parts are attached: a merge would also delete
    rows by their age, and the rows that are counted must not change.
    """
    old, new = (f"{identifier(each)}.{identifier(table)}" for each in (live, staging))
    return [
        f"CREATE TABLE {new} AS {old}",
        stop_merges(staging, table),
        f"ALTER TABLE {new} ATTACH PARTITION ALL FROM {old}",
    ]


def stop_merges(database: str, table: str) -> str:
    """Stops merges until `start_merges`, or until the server restarts."""
    return f"SYSTEM STOP MERGES {identifier(database)}.{identifier(table)}"


def start_merges(database: str, table: str) -> str:
    """Starts them again."""
    return f"SYSTEM START MERGES {identifier(database)}.{identifier(table)}"


def backup(database: str, tables: Sequence[str], target: str, id_: str) -> str:
    """Starts a BACKUP that runs on; PROGRESS tells its state."""
    listed = ", ".join(f"TABLE {identifier(database)}.{identifier(table)}" for table in tables)
    return f"BACKUP {listed} TO {target} SETTINGS id = {literal(id_)} ASYNC"


def restore(
    source_database: str,
    database: str,
    tables: Sequence[str],
    source: str,
    id_: str,
    *,
    structure_only: bool,
) -> str:
    """Starts a RESTORE of the tables into another database; PROGRESS tells its state."""
    old, new = identifier(source_database), identifier(database)
    listed = ", ".join(
        f"TABLE {old}.{name} AS {new}.{name}" for name in (identifier(table) for table in tables)
    )
    only = f", structure_only = {int(structure_only)}"
    return f"RESTORE {listed} FROM {source} SETTINGS id = {literal(id_)}{only} ASYNC"


def write_bucket(function: str, text: str) -> str:
    """Writes a text as one object. Fails when the object exists."""
    return f"INSERT INTO FUNCTION {function} SELECT {literal(text)}"


def read_bucket(function: str) -> str:
    """Answers the object as one row."""
    return f"SELECT line FROM {function}"  # noqa: S608 - quoted


def swap(source: str, target: str, table: str, *, exchange: bool) -> str:
    """Moves a table to `target`, or exchanges it with the one of the same name there."""
    old, new = (f"{identifier(each)}.{identifier(table)}" for each in (source, target))
    return f"EXCHANGE TABLES {old} AND {new}" if exchange else f"RENAME TABLE {old} TO {new}"


def rename_database(old: str, new: str) -> str:
    """Gives a database, with all that it holds, another name."""
    return f"RENAME DATABASE {identifier(old)} TO {identifier(new)}"
