"""Exchange the restored tables with those of the target, table by table.

Each exchange is atomic. A cut between two of them leaves every table whole, the old one or the
restored one, and the state of the restore tells which, so that the rest can follow.
"""

from __future__ import annotations

from collections.abc import Callable

from clickstream.operations.backup import queries
from clickstream.operations.backup.restore_state import RestoreState, table_ids
from clickstream.operations.backup.snapshot import count_rows, snapshot_order, tables_to_back_up
from core.clickhouse.admin import Owner, Server
from core.errors import SetupError
from schemas.cluster_sql import exchange, move
from schemas.topic_epochs import TABLE as EPOCHS


def check_empty(server: Server, database: str) -> None:
    """Raises SetupError when a table of the database has rows.

    But for the epochs of the topics: a worker that has only been started writes one.
    """
    for table in set(tables_to_back_up(server, database)) - {EPOCHS}:
        if count_rows(server, database, table):
            raise SetupError(
                f"{database} is not empty ({table} has rows), and a restore replaces nothing:"
                f" DROP DATABASE {database} if its data may be lost, or use --into-database NAME to"
                " restore into another database"
            )


def swap_tables(
    server: Server, staging: str, state: RestoreState, check_lease: Callable[[], None]
) -> None:
    """Put the tables that are not there yet in the place of those of the target."""
    waiting = sorted(set(state.tables) - state.swapped(server))
    if table_ids(server, staging, waiting) != {name: state.tables[name] for name in waiting}:
        raise SetupError(
            f"{staging} no longer has the tables that were restored into it: begin anew, without"
            " --resume"
        )
    here, there = server.layout_of(staging), server.layout_of(state.target)
    existing = table_ids(server, state.target, waiting)
    # Sessions last: a reader who sees a session then sees everything that belongs to it.
    for table in sorted(snapshot_order(waiting), key=lambda name: name == "sessions"):
        check_lease()
        place = exchange if table in existing else move
        server.command(place(table, here, there))


def drop_replaced(server: Server, staging: str, owner: Owner, kept_name: str) -> str | None:
    """Drop the tables that were exchanged out, with the staging database.

    When one has rows, nothing is dropped: the database is renamed to `kept_name`, and still says
    whose it is. Returns the qualified name of such a table.
    """
    for table in tables_to_back_up(server, staging):
        if count_rows(server, staging, table):
            names = (server.layout_of(name).databases for name in (staging, kept_name))
            for old, new in zip(*names, strict=True):
                server.command(queries.rename_database(old, new, server.layout.on_cluster))
            return f"{kept_name}.{table}"
    server.drop(staging, owner)
    return None
