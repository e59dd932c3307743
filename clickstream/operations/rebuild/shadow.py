"""The tables while they are rebuilt: made, and given the rows that the log is not asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from clickstream.operations.progress import Progress
from clickstream.operations.rebuild import queries
from clickstream.operations.rebuild.bounds import Bounds
from clickstream.operations.rebuild.databases import TABLES, Databases, on_database
from clickstream.operations.rebuild.swap import look
from core.clickhouse.admin import Server
from core.errors import ClickstreamError, SetupError
from core.settings import Settings
from schemas.migrate import migrate
from stream_processors.join import table_columns

# Unjoined events before joined ones: one that is adopted between the two copies is then in both,
# which is settled at adoption, and never in neither, which would lose it.
KEEPING_ORDER = (
    table_columns.UNJOINED,
    table_columns.EVENTS,
    table_columns.SESSIONS,
    table_columns.MARKS,
    table_columns.DEAD_LETTERS,
)

_BY_DAY = frozenset({table_columns.SESSIONS, table_columns.EVENTS})


@contextmanager
def shadow_tables(settings: Settings, server: Server, databases: Databases) -> Iterator[Settings]:
    """Empty tables, made by `migrate`; the settings to reach them. Cleared at the end.

    Raises SetupError when the live tables are not the declared ones: a swap would undo
    what somebody has changed.
    """
    server.create(databases.shadow)
    try:
        there = on_database(settings, databases.shadow)
        migrate(there)
        altered = server.rows(
            queries.ALTERED, live=databases.live, shadow=databases.shadow, tables=list(TABLES)
        )
        if altered:
            names = ", ".join(str(name) for (name,) in altered)
            raise SetupError(
                f"{names} in {databases.live} is not as schemas/tables declares it, and a replay"
                " would undo the difference: see `clickstream migrate --check`, and put the change"
                " into a migration, or take it back"
            )
        yield there
    finally:
        # Already the next replay's work when ClickHouse is away: that must not hide what happened.
        with contextlib.suppress(ClickstreamError):
            clear(server, databases)


def clear(server: Server, databases: Databases) -> None:
    """Drop the shadow tables, unless they are the only complete ones: a swap is then open."""
    found = look(server, databases)
    if not (found.retired and found.shadow):
        server.drop(databases.shadow)


def keep_older(server: Server, databases: Databases, before: Bounds, progress: Progress) -> None:
    """Copy the rows from before the start of the replay. The workers go on writing meanwhile."""
    names = {"live": databases.live, "shadow": databases.shadow}
    parameters = {**names, **before.parameters()}
    for table in KEEPING_ORDER:
        if table not in _BY_DAY:
            server.command(queries.keep(table, by_day=False), **parameters)
            continue
        days = server.rows(queries.days(table), live=databases.live)
        with progress.over(f"keeping older rows of {table}, days", len(days)) as advance:
            for (day,) in days:
                server.command(queries.keep(table, by_day=True), day=day, **parameters)
                advance(1)
