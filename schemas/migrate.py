"""The files of the ClickHouse schema → the database.

Missing tables are created as they are now. Numbered migrations run once each, and only in a
database of an earlier release. A view is made again when its text changed, or when something that
it reads was changed. The table `_schema_files` records the migrations and views that were applied.

Several processes may migrate at once, and a run that was killed may be started again: ClickHouse
has neither a lock nor a transaction for DDL, so every statement must be one that can run twice
(schemas/migrations/README.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from core.clickhouse.client import connect, database_of, translate
from core.errors import MigrationError
from core.settings import Settings
from schemas.retention import set_table_retention
from schemas.sql_files import SCHEMAS, SchemaFiles, SqlFile, load

RECORD: Final = "_schema_files"

# In a database of a version before the first release: the record, or how events were sorted, which
# no ALTER changes.
_OLD_RECORD: Final = "schema_migrations"
_OLD_SORT_KEY: Final = ("events", "session_id, event_id")

_CREATE_RECORD: Final = f"""
CREATE TABLE IF NOT EXISTS {RECORD}
(
    path String COMMENT 'Of the file in schemas/',
    checksum String COMMENT 'SHA-256 of its statements',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it was applied last'
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY path
COMMENT 'Which views and migrations of which text this database has. Read it with FINAL'
"""
_READ_RECORD: Final = f"SELECT path, checksum FROM {RECORD} FINAL"  # noqa: S608 - our own name
_SORT_KEYS: Final = """
SELECT name, sorting_key FROM system.tables WHERE database = {database:String}
"""
_HAS_DATABASE: Final = "SELECT count() FROM system.databases WHERE name = {database:String}"
_CREATE_DATABASE: Final = "CREATE DATABASE IF NOT EXISTS {database:Identifier}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a database lacks. `included` are migrations whose effect its new tables have already."""

    to_run: tuple[SqlFile, ...]
    included: tuple[SqlFile, ...]


def migrate(settings: Settings, root: Path = SCHEMAS) -> list[str]:
    """Bring the database up to date, creating it first; the paths of the files that were applied.
    Tables get the retention of the settings.

    Idempotent. Raises MigrationError when the files and the record contradict each other or a
    statement fails, SinkUnavailable when ClickHouse does not answer.
    """
    files = load(root)
    database = database_of(settings)
    with connect(settings, role="migrate", database="system") as client, translate(settings):
        parameters = {"database": database}
        # A user who may not create databases can still migrate one that is there.
        if not client.query(_HAS_DATABASE, parameters=parameters).result_rows[0][0]:
            client.command(_CREATE_DATABASE, parameters=parameters)
        planned = _plan(client, database, files)
    with connect(settings, role="migrate") as client, translate(settings):
        client.command(_CREATE_RECORD)
        # Before the first table is there: whoever goes on from here must not run them.
        _record(client, planned.included)
        for file in planned.to_run:
            _run(client, file)
        # All at once and last: a run that ends before repeats every view that it had to make again.
        _record(client, planned.to_run)
        set_table_retention(client, settings.retention_days)
    return [file.path for file in planned.to_run]


def pending(settings: Settings, root: Path = SCHEMAS) -> list[str]:
    """What `migrate` would apply. Changes nothing, raises the same."""
    files = load(root)
    with connect(settings, role="migrate", database="system") as client, translate(settings):
        planned = _plan(client, database_of(settings), files)
    return [file.path for file in planned.to_run]


def plan(files: SchemaFiles, existing: Set[str], recorded: Mapping[str, str]) -> Plan:
    """Pure. `existing` are the names of tables and views, `recorded` the checksums by path."""
    is_new = not recorded and not any(table.name in existing for table in files.tables)
    tables = [table for table in files.tables if table.name not in existing]
    later = [migration for migration in files.migrations if migration.path not in recorded]
    migrations = [] if is_new else later
    changed = {table.name for table in tables}
    views = []
    for view in files.views:
        if (
            migrations
            or view.name not in existing
            or recorded.get(view.path) != view.checksum
            or view.reads & changed
        ):
            views.append(view)
            changed.add(view.name)
    return Plan((*tables, *migrations, *views), tuple(later) if is_new else ())


def _plan(client: Client, database: str, files: SchemaFiles) -> Plan:
    rows = client.query(_SORT_KEYS, parameters={"database": database}).result_rows
    existing = {str(name) for name, _ in rows}
    if _OLD_RECORD in existing or _OLD_SORT_KEY in rows:
        raise MigrationError(
            f"the database {database} was made before the first release and cannot be carried over:"
            f" drop it (DROP DATABASE {database}) or name another one in"
            " CLICKSTREAM_CLICKHOUSE_URL, and migrate again"
        )
    recorded = {}
    if RECORD in existing:
        query = _READ_RECORD.replace(RECORD, f"{database}.{RECORD}")
        recorded = {str(path): str(checksum) for path, checksum in client.query(query).result_rows}
    _check(files.migrations, recorded)
    return plan(files, existing, recorded)


def _check(migrations: Sequence[SqlFile], recorded: Mapping[str, str]) -> None:
    """No migration was applied that we do not have, or have otherwise."""
    checksums = {migration.path: migration.checksum for migration in migrations}
    for path, checksum in recorded.items():
        if not path.startswith("migrations/"):
            continue
        if path not in checksums:
            raise MigrationError(
                f"the database has {path}, which this version does not know:"
                " run the newer version of clickstream that made it"
            )
        if checksum != checksums[path]:
            raise MigrationError(
                f"{path} was changed after it was applied to this database:"
                " restore the file, and put the change into a new one with the next number"
            )


def _run(client: Client, file: SqlFile) -> None:
    for place, statement in enumerate(file.statements, start=1):
        try:
            client.command(statement)
        except OperationalError:
            raise  # the server is gone, the statement is not to blame
        except DatabaseError as error:
            raise MigrationError(
                f"{file.path}, statement {place} of {len(file.statements)}: {error}. What was done"
                " before it stays; run `clickstream migrate` again once the cause is removed"
            ) from error


def _record(client: Client, files: Sequence[SqlFile]) -> None:
    rows = [[file.path, file.checksum] for file in files if not file.path.startswith("tables/")]
    if rows:
        client.insert(RECORD, rows, column_names=["path", "checksum"])
