"""ClickHouse as operations talk to it: statements with bound names, errors of our own tree."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from clickhouse_connect.driver.binding import quote_identifier
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.httpclient import HttpClient
from urllib3 import Timeout

from core.clickhouse.client import connect, translate
from core.clickhouse.layout import Layout
from core.errors import SetupError
from core.settings import Settings

# A copy of all rows, or a checksum over them, is one silent statement. Seconds.
_LONGEST_SECONDS = 24 * 3600.0
_CONNECT_SECONDS = 5.0

# Names of databases have letters, digits and `_` only, so the colon ends the name.
_COMMENT = "made by clickstream for {installation}: {purpose}"

_CREATE_DATABASE = "CREATE DATABASE {{name:Identifier}}{on_cluster} COMMENT '{comment}'"
_COMMENT_OF = "SELECT comment FROM system.databases WHERE name = {name:String}"
_OWNED = """
SELECT name FROM system.databases
WHERE extract(comment, '^made by clickstream for ([A-Za-z0-9_]+): ') = {installation:String}
ORDER BY name
"""
_TABLES_OF = """
SELECT name FROM system.tables WHERE database = {name:String} AND endsWith(engine, 'MergeTree')
"""
_TO_ERASE = "SELECT, ALTER DELETE, SYSTEM MERGES"
_START_MERGES = "SYSTEM START MERGES {database:Identifier}.{table:Identifier}"

_RUNNING_INSERTS = """
SELECT query_id FROM $processes
WHERE query_kind IN ('Insert', 'AsyncInsertFlush')
    AND (current_database = {name:String} OR position(query, concat({name:String}, '.')) > 0
        OR position(query, concat({shard:String}, '.')) > 0)
"""

Rows = Sequence[Sequence[Any]]


class Purpose(StrEnum):
    """What a database beside the live one is for."""

    FRESH_TABLES = "tables of a replay"
    BACKUP = "snapshot of a backup"
    RESTORE = "tables of a restore"
    COPY = "a backup, restored beside it"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose database it is: that of which installation (its live database), and what for.

    The database's comment says so. An operation deletes no database of another owner, and an
    erasure works on all databases of its own installation.
    """

    installation: str
    purpose: Purpose

    @property
    def comment(self) -> str:
        return _COMMENT.format(installation=self.installation, purpose=self.purpose)


class Server:
    """Every method blocks; raises SinkUnavailable, and SetupError for what ClickHouse refuses."""

    def __init__(
        self,
        settings: Settings,
        client: Client,
        remaining: Callable[[], float] | None = None,
    ) -> None:
        """`remaining` gives the seconds that the next statement may take."""
        self._settings = settings
        self._client = client
        self._remaining = remaining
        self.layout = Layout.of(settings)

    def command(self, statement: str, **parameters: object) -> None:
        """Run a statement that answers nothing."""
        with self._errors():
            self._client.command(statement, parameters=parameters, settings=self._limits())

    def rows(self, query: str, **parameters: object) -> Rows:
        """The answer of a query."""
        with self._errors():
            found: Rows = self._client.query(
                query, parameters=parameters, settings=self._limits()
            ).result_rows
        return found

    def on_every_node(self, statement: str, **parameters: object) -> None:
        """Run a statement that changes a table, where the table itself is."""
        self.command(self.layout.on_every_node(statement), **parameters)

    def layout_of(self, database: str) -> Layout:
        """Where the tables are, of a database that may not be that of the settings."""
        return replace(self.layout, database=database)

    def shard_database(self, database: str) -> str:
        """The database of the tables themselves."""
        return self.layout_of(database).shard_database

    def rows_of_replicas(self, query: str, **parameters: object) -> Rows:
        """The answer of a query `FROM {database:Identifier}.…`. On a cluster, of all replicas."""
        return self.rows(self.layout.from_all_replicas(query), **parameters)

    def number(self, query: str, **parameters: object) -> int:
        """The answer of a query for one number."""
        return int(self.rows(query, **parameters)[0][0])

    def create(self, database: str, owner: Owner) -> None:
        """Make a database that is not there yet; on a cluster, both of it."""
        create = _CREATE_DATABASE.format(comment=owner.comment, on_cluster=self.layout.on_cluster)
        for name in self.layout_of(database).databases:
            self.command(create, name=name)

    def has(self, database: str, owner: Owner) -> bool:
        """Whether it is there. SetupError when it is there and has another owner."""
        found = self.rows(_COMMENT_OF, name=database)
        if found and found[0][0] != owner.comment:
            raise SetupError(
                f"the database name {database} is needed, and there is one that is not"
                f" {owner.comment!r}: rename it"
            )
        return bool(found)

    def drop(self, database: str, owner: Owner) -> None:
        """Delete a database with all that it holds, if it is there. SetupError as `has`."""
        drop = f"DROP DATABASE IF EXISTS {{name:Identifier}}{self.layout.on_cluster} SYNC"
        if self.has(database, owner):
            for name in reversed(self.layout_of(database).databases):
                self.command(drop, name=name)

    def owned(self, installation: str) -> tuple[str, ...]:
        """The databases that operations of this installation have made and that are there now."""
        return tuple(str(name) for (name,) in self.rows(_OWNED, installation=installation))

    def may_erase(self, database: str) -> bool:
        """Whether this user may read it, delete rows of it, and let its tables merge."""
        return bool(self.number(f"CHECK GRANT {_TO_ERASE} ON {quote_identifier(database)}.*"))

    def start_merges(self, database: str) -> None:
        """Let its tables merge. A cut short backup or restore may have stopped them, and a deletion
        would then wait for ever."""
        for (table,) in self.rows(_TABLES_OF, name=database):
            self.command(self.layout.on_every_node(_START_MERGES), database=database, table=table)

    def running_inserts(self, database: str) -> frozenset[str]:
        """The ids of the inserts that are under way into this database."""
        query = _RUNNING_INSERTS.replace("$processes", self.layout.all_nodes("system.processes"))
        found = self.rows(query, name=database, shard=self.shard_database(database))
        return frozenset(str(query) for (query,) in found)

    def _limits(self) -> dict[str, Any]:
        """The rest of the time as a limit of the statement, in ClickHouse and of the wait for it:
        a mutation that is waited for does not look at its own limit."""
        if self._remaining is None:
            return {}
        seconds = self._remaining()
        if isinstance(self._client, HttpClient):
            self._client.timeout = Timeout(connect=min(seconds, _CONNECT_SECONDS), read=seconds)
        return {"max_execution_time": math.ceil(seconds)}

    def _errors(self) -> AbstractContextManager[None]:
        return translate(self._settings, on_refusal=SetupError)


@contextmanager
def open_server(settings: Settings) -> Iterator[Server]:
    """A server for the length of an operation. Statements name their databases themselves."""
    with connect(
        settings, role="clickstream operation", database="system", answer_seconds=_LONGEST_SECONDS
    ) as client:
        yield Server(settings, client)
