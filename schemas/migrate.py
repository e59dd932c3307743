"""Numbered .sql files → ClickHouse, in order, each recorded in the table `schema_migrations`.

What two processes that migrate at once can rely on: ClickHouse offers neither a lock nor a
transaction around DDL, so both may run the same file. Each statement is one that can be run again
(`schemas/statements.py` refuses others), and the record is read anew before every file; so both end
with the same schema, and so does a run that was killed half-way and is started again. What remains
is a file that drops or renames what the one before it made, run by two processes within the same
second: let one process migrate (`clickstream migrate` in the deployment) when such files come.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from core.clickhouse.client import connect, database_of, translate
from core.errors import MigrationError
from core.settings import Settings
from schemas.retention import retain
from schemas.statements import Statement, split, why_not_rerunnable

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_FILE_NAME: Final = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.sql")
_HEADER: Final = re.compile(r"-- nodes: (?P<nodes>LOCAL|DISTRIBUTED)\s*$")

_CREATE_RECORD: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    number UInt16 COMMENT 'Of the file in schemas/migrations',
    name String COMMENT 'Its name without number and ending',
    checksum String COMMENT 'SHA-256 of its statements',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it was applied last'
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY number
COMMENT 'Which migrations this database has. Read it with FINAL'
"""
_READ_RECORD: Final = "SELECT number, name, checksum FROM schema_migrations FINAL ORDER BY number"
_HAS_DATABASE: Final = "SELECT count() FROM system.databases WHERE name = {name:String}"
_HAS_RECORD: Final = (
    "SELECT count() FROM system.tables"
    " WHERE database = {name:String} AND name = 'schema_migrations'"
)
_CREATE_DATABASE: Final = "CREATE DATABASE IF NOT EXISTS {name:Identifier}"


class Nodes(StrEnum):
    """Which servers of a cluster a file is for; a single server is both."""

    LOCAL = "LOCAL"
    """Every server that stores rows."""

    DISTRIBUTED = "DISTRIBUTED"
    """Every server that answers queries: Distributed tables over the local ones."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `checksum` covers its statements and nodes; comments may be mended."""

    number: int
    name: str
    nodes: Nodes
    statements: tuple[Statement, ...]
    checksum: str

    def __str__(self) -> str:
        return f"{self.number:04d}_{self.name}"


def migrate(settings: Settings, directory: Path = MIGRATIONS) -> list[Migration]:
    """Bring the database up to date, creating it first; returns what was applied now. Tables get
    the retention of the settings.

    Idempotent. Raises MigrationError when the files and the record contradict each other or a
    statement fails, SinkUnavailable when ClickHouse does not answer.
    """
    migrations = load(directory)
    name = database_of(settings)
    with connect(settings, role="migrate", database="system") as client, translate(settings):
        # A user who may not create databases can still migrate one that is there.
        if not _count(client, _HAS_DATABASE, name):
            client.command(_CREATE_DATABASE, parameters={"name": name})
    with connect(settings, role="migrate") as client, translate(settings):
        applied = apply(client, migrations)
        retain(client, settings.retention_days)
    return applied


def pending(settings: Settings, directory: Path = MIGRATIONS) -> list[Migration]:
    """What `migrate` would apply. Changes nothing, raises the same."""
    migrations = load(directory)
    name = database_of(settings)
    with connect(settings, role="migrate", database="system") as client, translate(settings):
        if not _count(client, _HAS_RECORD, name):
            return list(migrations)
    with connect(settings, role="migrate") as client, translate(settings):
        recorded = _recorded(client)
    _check(migrations, recorded)
    return [migration for migration in migrations if migration.number not in recorded]


def load(directory: Path) -> tuple[Migration, ...]:
    """Read and check the files of a folder. Raises MigrationError and touches no server."""
    migrations = [_load(file) for file in sorted(directory.iterdir())]
    numbers = [migration.number for migration in migrations]
    if numbers != list(range(1, len(numbers) + 1)):
        raise MigrationError(f"{directory}: numbers must run from 0001 without gaps, not {numbers}")
    return tuple(migrations)


def apply(client: Client, migrations: Sequence[Migration]) -> list[Migration]:
    """Apply what is missing to the client's database; see `migrate`."""
    client.command(_CREATE_RECORD)
    applied = []
    for migration in migrations:
        recorded = _recorded(client)
        _check(migrations, recorded)
        if migration.number not in recorded:
            _run(client, migration)
            applied.append(migration)
    return applied


def _run(client: Client, migration: Migration) -> None:
    for place, statement in enumerate(migration.statements, start=1):
        try:
            client.command(statement.text)
        except OperationalError:
            raise  # the server is gone, the statement is not to blame
        except DatabaseError as error:
            raise MigrationError(
                f"{migration}, statement {place} of {len(migration.statements)}: {error}."
                " What was done before it stays; run `clickstream migrate` again once it is mended"
            ) from error
    client.insert(
        "schema_migrations",
        [[migration.number, migration.name, migration.checksum]],
        column_names=["number", "name", "checksum"],
    )


def _recorded(client: Client) -> dict[int, tuple[str, str]]:
    return {number: (name, sum_) for number, name, sum_ in client.query(_READ_RECORD).result_rows}


def _check(migrations: Sequence[Migration], recorded: Mapping[int, tuple[str, str]]) -> None:
    """The record must be the beginning of our files, and those unchanged."""
    known = {migration.number: migration for migration in migrations}
    for number, (name, checksum) in recorded.items():
        if number not in known:
            raise MigrationError(
                f"the database has migration {number:04d}_{name}, which this version does not know:"
                " run the newer version of clickstream that made it"
            )
        if checksum != known[number].checksum:
            raise MigrationError(
                f"{known[number]} was changed after it was applied to this database:"
                " restore the file, and put the change into a new one with the next number"
            )
    if sorted(recorded) != list(range(1, len(recorded) + 1)):
        raise MigrationError(
            f"the database has migrations {sorted(recorded)}, with a gap: someone edited"
            " schema_migrations; restore its rows"
        )


def _load(file: Path) -> Migration:
    match = _FILE_NAME.fullmatch(file.name)
    if match is None:
        raise MigrationError(f"{file} is not named NNNN_name.sql")
    sql = file.read_text(encoding="utf-8")
    header = _HEADER.match(sql.partition("\n")[0])
    if header is None:
        raise MigrationError(f"{file} must begin with `-- nodes: LOCAL` or `-- nodes: DISTRIBUTED`")
    try:
        statements = split(sql)
    except ValueError as error:
        raise MigrationError(f"{file}, {error}") from error
    for place, statement in enumerate(statements, start=1):
        if (advice := why_not_rerunnable(statement)) is not None:
            raise MigrationError(f"{file}, statement {place} cannot be run again: {advice}")
    whole = ";\n".join((header["nodes"], *(statement.text for statement in statements)))
    checksum = hashlib.sha256(whole.encode()).hexdigest()
    return Migration(
        int(match["number"]), match["name"], Nodes(header["nodes"]), statements, checksum
    )


def _count(client: Client, query: str, name: str) -> int:
    return int(client.query(query, parameters={"name": name}).result_rows[0][0])
