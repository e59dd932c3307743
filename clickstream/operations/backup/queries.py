"""All SQL of backup and restore. Names that cannot be bound are quoted here, and only here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

# By this comment a backup knows the databases that it has made, and drops no others.
SIGNATURE: Final = "made by clickstream backup"

# They rebuild themselves (docs/decisions/0007-session-facts.md), or are made by the migrations.
DERIVED: Final = ("session_facts", "session_type_facts", "settled_days", "schema_migrations")

TABLES: Final = """
SELECT name FROM system.tables
WHERE database = {database:String} AND endsWith(engine, 'MergeTree')
    AND name NOT IN {derived:Array(String)} AND NOT startsWith(name, '.inner')
ORDER BY name
"""
EXISTING: Final = "SELECT name FROM system.tables WHERE database = {database:String}"
COMMENT_OF: Final = "SELECT comment FROM system.databases WHERE name = {database:String}"
MIGRATIONS: Final = """
SELECT number, name, checksum FROM {database:Identifier}.schema_migrations FINAL ORDER BY number
"""

CREATE: Final = f"CREATE DATABASE {{database:Identifier}} COMMENT '{SIGNATURE}'"
DROP: Final = "DROP DATABASE IF EXISTS {database:Identifier} SYNC"

# Rows of which there is a better version do not count; `final` passes over tables without versions.
FINGERPRINT: Final = """
SELECT count(), sum(cityHash64(formatRow('RowBinary', *)))
FROM {database:Identifier}.{table:Identifier}
SETTINGS final = 1
"""
ROWS: Final = "SELECT count() FROM {database:Identifier}.{table:Identifier}"

PROGRESS: Final = """
SELECT toString(status), error, total_size, uncompressed_size, bytes_read
FROM system.backups WHERE id = {id:String}
"""


def literal(value: str) -> str:
    """A string literal of ClickHouse."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """A quoted name."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def clone(live: str, scratch: str, table: str) -> list[str]:
    """Hard links to the parts of that moment, taken at once: nothing is copied, nobody waits.

    Merges are stopped before there is a part: they would also delete rows by their age, and what is
    counted must stay what it was.
    """
    old, new = (f"{identifier(each)}.{identifier(table)}" for each in (live, scratch))
    return [
        f"CREATE TABLE {new} AS {old}",
        stop_merges(scratch, table),
        f"ALTER TABLE {new} ATTACH PARTITION ALL FROM {old}",
    ]


def stop_merges(database: str, table: str) -> str:
    """Until `start_merges`, or until the server is restarted."""
    return f"SYSTEM STOP MERGES {identifier(database)}.{identifier(table)}"


def start_merges(database: str, table: str) -> str:
    """As they were."""
    return f"SYSTEM START MERGES {identifier(database)}.{identifier(table)}"


def backup(database: str, tables: Sequence[str], destination: str, id_: str) -> str:
    """Returns at once; system.backups tells how it goes."""
    listed = ", ".join(f"TABLE {identifier(database)}.{identifier(table)}" for table in tables)
    return f"BACKUP {listed} TO {destination} SETTINGS id = {literal(id_)} ASYNC"


def restore(
    source_database: str,
    database: str,
    tables: Sequence[str],
    source: str,
    id_: str,
    *,
    structure_only: bool,
) -> str:
    """The same, of tables under their names in another database."""
    old, new = identifier(source_database), identifier(database)
    listed = ", ".join(
        f"TABLE {old}.{name} AS {new}.{name}" for name in (identifier(table) for table in tables)
    )
    only = f", structure_only = {int(structure_only)}"
    return f"RESTORE {listed} FROM {source} SETTINGS id = {literal(id_)}{only} ASYNC"


def write_bucket(function: str, text: str) -> str:
    """One object from one text; refuses when there is one of that name."""
    return f"INSERT INTO FUNCTION {function} SELECT {literal(text)}"


def read_bucket(function: str) -> str:
    """One row, the whole object."""
    return f"SELECT line FROM {function}"  # noqa: S608 - quoted


def move(source: str, target: str, tables: Sequence[str], replaced: Sequence[str]) -> list[str]:
    """Tables into a database, in the place of empty ones there; one statement a table."""
    statements = []
    for table in tables:
        old, new = (f"{identifier(each)}.{identifier(table)}" for each in (source, target))
        verb = "EXCHANGE TABLES" if table in replaced else "RENAME TABLE"
        link = "AND" if table in replaced else "TO"
        statements.append(f"{verb} {old} {link} {new}")
    return statements
