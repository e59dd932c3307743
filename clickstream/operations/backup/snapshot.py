"""The tables of one moment, in a database of their own, while everybody goes on.

The order makes what is saved closed under the rules of the pipeline: events that wait are taken
before joined ones, since one that is adopted in between is then in both and not in neither;
sessions before events and marks, since a session that is visible has all that was before it; what
is known of erasures last, since whatever was deleted before is then known to be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from clickstream.operations.backup import queries
from clickstream.operations.backup.manifest import SavedTable
from core.clickhouse.admin import Server
from core.errors import ClickstreamError, SetupError
from stream_processors.join import table_columns

_FIRST: Final = (
    table_columns.UNJOINED,
    table_columns.SESSIONS,
    table_columns.EVENTS,
    table_columns.MARKS,
)
_LAST: Final = ("erased_letters", "erased_sessions", "erasures")


def in_order(tables: Sequence[str]) -> list[str]:
    """All of them, in the order in which they are frozen. Pure."""
    first = [table for table in _FIRST if table in tables]
    last = [table for table in _LAST if table in tables]
    return [*first, *(each for each in tables if each not in {*first, *last}), *last]


def saved_tables(server: Server, database: str) -> list[str]:
    """Those with data that nothing else could bring back."""
    found = server.rows(queries.TABLES, database=database, derived=list(queries.DERIVED))
    return [str(name) for (name,) in found]


@contextmanager
def scratch(server: Server, database: str) -> Iterator[None]:
    """A database of this name, empty; dropped at the end, and first when a run that was killed has
    left one. SetupError when there is one that is not ours."""
    comment = server.rows(queries.COMMENT_OF, database=database)
    if comment and comment[0][0] != queries.SIGNATURE:
        raise SetupError(
            f"the database name {database} is needed, and there is one that no backup has made:"
            " rename it"
        )
    server.command(queries.DROP, database=database)
    server.command(queries.CREATE, database=database)
    try:
        yield
    finally:
        # The next run drops it when ClickHouse is away: that must not hide what happened.
        with contextlib.suppress(ClickstreamError):
            server.command(queries.DROP, database=database)


def freeze(server: Server, live: str, into: str) -> list[str]:
    """Clone every table as it is now; their names. A moment's work, whatever their size."""
    tables = in_order(saved_tables(server, live))
    for table in tables:
        for statement in queries.clone(live, into, table):
            server.command(statement)
    return tables


def fingerprints(server: Server, database: str, tables: Sequence[str]) -> tuple[SavedTable, ...]:
    """Of each table, by reading all of it."""
    found = []
    for table in sorted(tables):
        ((count, checksum),) = server.rows(queries.FINGERPRINT, database=database, table=table)
        found.append(SavedTable(table, int(count), int(checksum)))
    return tuple(found)
