"""A snapshot of the tables, in a database of its own, while the workers go on writing.

The tables are copied one after another, and the order keeps the rules of the pipeline:
- Unjoined events come before joined ones. An event that is adopted in between is then in both
  tables, and never in neither.
- The progress of the facts comes before the facts, and both before what they are computed from:
  the worker computes anew what is beyond the progress. They come after unjoined events: an event
  that waits no more is in the facts.
- Sessions come before events and marks. A session that is visible proves that the rows written
  before it exist.
- Erasures come last, so that every deletion that happened before is known.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from clickstream.operations.backup import queries
from clickstream.operations.backup.manifest import SavedTable
from core.clickhouse.admin import Owner, Server
from core.errors import ClickstreamError
from schemas.cluster_sql import all_rows, caught_up
from stream_processors.join import table_columns

_FIRST: Final = (
    table_columns.UNJOINED,
    table_columns.FACTS_PROGRESS,
    table_columns.FACTS,
    table_columns.SESSIONS,
    table_columns.EVENTS,
    table_columns.MARKS,
)
_LAST: Final = ("erased_dead_letters", "erased_sessions", "erasures")


def snapshot_order(tables: Sequence[str]) -> list[str]:
    """The same tables, in the order in which the snapshot takes them. Pure."""
    first = [table for table in _FIRST if table in tables]
    last = [table for table in _LAST if table in tables]
    return [*first, *(each for each in tables if each not in {*first, *last}), *last]


def tables_to_back_up(server: Server, database: str) -> list[str]:
    """The tables whose data cannot be computed again."""
    databases = list(server.layout_of(database).databases)
    found = server.rows(queries.TABLES, databases=databases, derived=list(queries.DERIVED))
    return [str(name) for (name,) in found]


@contextmanager
def staging_database(server: Server, database: str, owner: Owner) -> Iterator[None]:
    """Create an empty database of this name, and drop it at the end.

    One that a killed run has left is dropped first. Raises SetupError when there is one of another
    owner.
    """
    server.drop(database, owner)
    server.create(database, owner)
    try:
        yield
    finally:
        # When ClickHouse is away, the next run drops it; the first error is the one to report.
        with contextlib.suppress(ClickstreamError):
            server.drop(database, owner)


def snapshot_tables(
    server: Server, live: str, into: str, check_lease: Callable[[], None]
) -> list[str]:
    """Clone the tables of `live` into the database `into`, by hard links; returns their names."""
    tables = snapshot_order(tables_to_back_up(server, live))
    for table in tables:
        check_lease()
        for statement in queries.snapshot(table, server.layout_of(live), server.layout_of(into)):
            server.command(statement)
    return tables


def table_checksums(
    server: Server, database: str, tables: Sequence[str], check_lease: Callable[[], None]
) -> tuple[SavedTable, ...]:
    """The row count and the checksum of each table. Reads every row."""
    found = []
    for table in sorted(tables):
        check_lease()
        layout = server.layout_of(database)
        for statement in caught_up(table, layout):
            server.command(statement)
        rows = all_rows(table, layout)
        ((count, checksum),) = server.rows(queries.CHECKSUM.replace("$rows", rows))
        found.append(SavedTable(table, int(count), int(checksum)))
    return tuple(found)


def count_rows(server: Server, database: str, table: str) -> int:
    """The rows of a table, of all versions."""
    rows = all_rows(table, server.layout_of(database))
    return server.number(queries.ROWS.replace("$rows", rows))


def number_of_shards(server: Server) -> int:
    """Of the cluster; 0 on one server."""
    if not server.layout.cluster:
        return 0
    return server.number(queries.SHARDS, cluster=server.layout.cluster)
