"""The files of the ClickHouse schema → the database.

Missing tables are created as they are now. Numbered migrations run once each, and only in a
database of an earlier release. A view is made again when its text changed, or when something that
it reads was changed. The table `_schema_files` records the migrations and views that were applied.

Several processes may migrate at once, and a run that was killed may be started again: ClickHouse
has neither a lock nor a transaction for DDL, so every statement must be one that can run twice
(schemas/migrations/README.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from core.clickhouse.client import connect, translate
from core.clickhouse.cluster_lease import CREATE_LEASES, LEASES
from core.clickhouse.layout import Layout
from core.errors import MigrationError
from core.settings import Settings
from schemas.cluster_sql import Existing, places_of, statements, table_same_everywhere
from schemas.retention import set_table_retention
from schemas.sql_files import SCHEMAS, SchemaFiles, SqlFile, load

RECORD: Final = "_schema_files"

# In a database of a version before the first release: the record, or how events were sorted, which
# no ALTER changes.
_OLD_RECORD: Final = "schema_migrations"
_OLD_SORT_KEY: Final = ("events", "session_id, event_id")

_CREATE_RECORD: Final = f"""\
CREATE TABLE IF NOT EXISTS {RECORD}
(
    path String COMMENT 'Of the file in schemas/',
    checksum String COMMENT 'SHA-256 of its statements',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it was applied last'
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY path
COMMENT 'Which views and migrations of which text this database has. Read it with FINAL'\
"""
_READ_RECORD: Final = f"SELECT path, checksum FROM {RECORD} FINAL"  # noqa: S608 - our own name
_SORT_KEYS: Final = """
SELECT name, sorting_key FROM system.tables WHERE database = {database:String}
"""
# By name, in how many places it is, and the table's id and definition.
_EXISTING: Final = """
SELECT
    name,
    count() AS places,
    anyIf((toString(uuid), create_table_query), engine LIKE '%MergeTree') AS definition
FROM {every_node}
WHERE database IN {{databases:Array(String)}} AND NOT is_temporary
GROUP BY name
SETTINGS skip_unavailable_shards = 1
"""
_NODES: Final = "SELECT count() FROM {every_node} SETTINGS skip_unavailable_shards = 1"
_HAS_DATABASE: Final = "SELECT count() FROM system.databases WHERE name = {database:String}"
_CREATE_DATABASE: Final = "CREATE DATABASE IF NOT EXISTS {database:Identifier}"
# A node that has just joined copies the record of the others.
_SYNC_RECORD: Final = f"SYSTEM SYNC REPLICA {RECORD} LIGHTWEIGHT"


_STATEMENTS_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """What a database lacks. `included` are migrations whose effect its new tables have already."""

    to_run: tuple[SqlFile, ...]
    included: tuple[SqlFile, ...]


def migrate(settings: Settings, root: Path = SCHEMAS) -> list[str]:
    """Bring the database up to date, creating it first; the paths of the files that were applied.
    Tables get the retention of the settings.

    On a cluster, on all of its nodes. One that is away does the same when it comes back. One that
    joins later lacks everything until this runs again.

    Idempotent. Raises MigrationError when the files and the record contradict each other or a
    statement fails, SinkUnavailable when ClickHouse does not answer.
    """
    files = load(root)
    layout = Layout.of(settings)
    with connect(settings, role="migrate", database="system") as client, translate(settings):
        existing = _existing(client, layout)
        for database in sorted({layout.database, layout.shard_database}):
            parameters = {"database": database}
            # A user who may not create databases can still migrate one that is there.
            has = client.query(_HAS_DATABASE, parameters=parameters).result_rows[0][0]
            if layout.cluster or not has:
                client.command(_CREATE_DATABASE + layout.on_cluster, parameters=parameters)
    with connect(settings, role="migrate") as client, translate(settings):
        record = existing.tables.get(RECORD)
        client.command(table_same_everywhere(_CREATE_RECORD, layout, record))
        if layout.cluster:
            client.command(_SYNC_RECORD)
            leases = existing.tables.get(LEASES)
            client.command(table_same_everywhere(CREATE_LEASES, layout, leases))
        planned = _plan(client, layout, files, existing)
        # Before the first table is there: whoever goes on from here must not run them.
        _record(client, planned.included)
        _run_all(client, layout, planned.to_run, existing.tables)
        # All at once and last: a run that ends before repeats every view that it had to make again.
        _record(client, planned.to_run)
        set_table_retention(client, layout, settings.retention_days)
    return [file.path for file in planned.to_run]


def pending(settings: Settings, root: Path = SCHEMAS) -> list[str]:
    """What `migrate` would apply. Changes nothing, raises the same."""
    files = load(root)
    layout = Layout.of(settings)
    with connect(settings, role="migrate", database="system") as client, translate(settings):
        planned = _plan(client, layout, files, _existing(client, layout))
    return [file.path for file in planned.to_run]


@dataclass(frozen=True, slots=True)
class _Found:
    """`names` of tables and views that every node has that answers, and the `tables` that one
    has."""

    names: Set[str]
    tables: Mapping[str, Existing]


def _existing(client: Client, layout: Layout) -> _Found:
    """Raises MigrationError for a database of a version before the first release."""
    sort_keys = client.query(_SORT_KEYS, parameters={"database": layout.database}).result_rows
    if any(name == _OLD_RECORD for name, _ in sort_keys) or _OLD_SORT_KEY in sort_keys:
        database = layout.database
        raise MigrationError(
            f"the database {database} was made before the first release and cannot be carried over:"
            f" drop it (DROP DATABASE {database}) or name another one in"
            " CLICKSTREAM_CLICKHOUSE_URL, and migrate again"
        )
    databases = sorted({layout.database, layout.shard_database})
    every_node = layout.all_nodes("system.tables")
    rows = client.query(
        _EXISTING.format(every_node=every_node), parameters={"databases": databases}
    ).result_rows
    nodes = client.query(_NODES.format(every_node=layout.all_nodes("system.one"))).result_rows[0][0]
    return _Found(
        {str(name) for name, places, _ in rows if places == nodes * places_of(name, layout)},
        {str(name): Existing(*definition) for name, _, definition in rows if definition[1]},
    )


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


def _plan(client: Client, layout: Layout, files: SchemaFiles, existing: _Found) -> Plan:
    recorded = {}
    if RECORD in existing.tables:
        query = _READ_RECORD.replace(RECORD, f"{layout.database}.{RECORD}")
        recorded = {str(path): str(checksum) for path, checksum in client.query(query).result_rows}
    _check(files.migrations, recorded)
    return plan(files, existing.names, recorded)


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


def _run_all(
    client: Client, layout: Layout, files: Sequence[SqlFile], existing: Mapping[str, Existing]
) -> None:
    """In this order. On a cluster, those that do not need each other at once: a statement waits for
    every node, and most of that is waiting."""
    with ThreadPoolExecutor(_STATEMENTS_AT_ONCE if layout.cluster else 1) as pool:
        for group in independent(files):
            runs = [pool.submit(_run, client, f, statements(f, layout, existing)) for f in group]
            for run in runs:
                run.result()


def independent(files: Sequence[SqlFile]) -> Iterator[list[SqlFile]]:
    """The same files in groups. None reads what another of its group makes. Pure."""
    group: list[SqlFile] = []
    for file in files:
        needs = file.reads & {each.name for each in group}
        alters = any(each.path.startswith("migrations/") for each in (*group[-1:], file))
        if group and (needs or alters):
            yield group
            group = []
        group.append(file)
    if group:
        yield group


def _run(client: Client, file: SqlFile, statements_of_it: Sequence[str]) -> None:
    for place, statement in enumerate(statements_of_it, start=1):
        try:
            client.command(statement)
        except OperationalError:
            raise  # the server is gone, the statement is not to blame
        except DatabaseError as error:
            raise MigrationError(
                f"{file.path}, statement {place} of {len(statements_of_it)}: {error}. What was done"
                " before it stays; run `clickstream migrate` again once the cause is removed"
            ) from error


def _record(client: Client, files: Sequence[SqlFile]) -> None:
    rows = [[file.path, file.checksum] for file in files if not file.path.startswith("tables/")]
    if rows:
        client.insert(RECORD, rows, column_names=["path", "checksum"])
