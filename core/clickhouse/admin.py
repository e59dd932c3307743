"""ClickHouse as operations talk to it: statements with bound names, errors of our own tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from clickhouse_connect.driver.client import Client

from core.clickhouse.client import connect, translate
from core.errors import SetupError
from core.settings import Settings

# A copy of all rows, or a checksum over them, is one silent statement. Seconds.
_LONGEST_SECONDS = 24 * 3600.0

# The comment of databases that our operations make. They delete no database without it.
OWNER_COMMENT = "made by clickstream for an operation; do not use"

_CREATE_DATABASE = f"CREATE DATABASE {{name:Identifier}} COMMENT '{OWNER_COMMENT}'"
_COMMENT_OF = "SELECT comment FROM system.databases WHERE name = {name:String}"

_RUNNING_INSERTS = """
SELECT query_id FROM system.processes
WHERE query_kind IN ('Insert', 'AsyncInsertFlush')
    AND (current_database = {name:String} OR position(query, concat({name:String}, '.')) > 0)
"""

Rows = Sequence[Sequence[Any]]


class Server:
    """Every method blocks; raises SinkUnavailable, and SetupError for what ClickHouse refuses."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._client = client

    def command(self, statement: str, **parameters: object) -> None:
        """Run a statement that answers nothing."""
        with self._errors():
            self._client.command(statement, parameters=parameters)

    def rows(self, query: str, **parameters: object) -> Rows:
        """The answer of a query."""
        with self._errors():
            found: Rows = self._client.query(query, parameters=parameters).result_rows
        return found

    def number(self, query: str, **parameters: object) -> int:
        """The answer of a query for one number."""
        return int(self.rows(query, **parameters)[0][0])

    def create(self, database: str) -> None:
        """Make a database that is not there yet, with OWNER_COMMENT."""
        self.command(_CREATE_DATABASE, name=database)

    def has(self, database: str) -> bool:
        """Whether it is there. SetupError when it is there without OWNER_COMMENT."""
        found = self.rows(_COMMENT_OF, name=database)
        if found and found[0][0] != OWNER_COMMENT:
            raise SetupError(
                f"the database name {database} is needed, and there is one that clickstream has not"
                " made: rename it"
            )
        return bool(found)

    def drop(self, database: str) -> None:
        """Delete a database with all that it holds, if it is there. SetupError as `has`."""
        if self.has(database):
            self.command("DROP DATABASE IF EXISTS {name:Identifier} SYNC", name=database)

    def running_inserts(self, database: str) -> frozenset[str]:
        """The ids of the inserts that are under way into this database."""
        return frozenset(str(query) for (query,) in self.rows(_RUNNING_INSERTS, name=database))

    def _errors(self) -> AbstractContextManager[None]:
        return translate(self._settings, on_refusal=SetupError)


@contextmanager
def open_server(settings: Settings) -> Iterator[Server]:
    """A server for the length of an operation. Statements name their databases themselves."""
    with connect(
        settings, role="clickstream operation", database="system", answer_seconds=_LONGEST_SECONDS
    ) as client:
        yield Server(settings, client)
