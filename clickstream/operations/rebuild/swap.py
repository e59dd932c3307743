"""The old tables out, the rebuilt ones in; and what to do when that was cut short.

No pause is negotiated with anybody. Once the live tables are renamed away, every insert and every
query fails with "unknown table", which workers wait out and readers answer with 503: nobody can
write or read a wrong thing, and nobody has to be told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from clickstream.operations.rebuild import queries
from clickstream.operations.rebuild.databases import TABLES, Databases
from core.clickhouse.admin import Server
from core.errors import SetupError


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Which of the tables each database holds."""

    live: frozenset[str]
    shadow: frozenset[str]
    retired: frozenset[str]


class Remedy(Enum):
    """What makes the live tables whole again."""

    NOTHING = auto()
    """No swap was under way."""

    PUT_BACK = auto()
    """The old tables are away and no new one is in place: the old ones return."""

    GO_ON = auto()
    """A new table is in place, so all of them were complete: the others follow.

    Going back would be wrong: a worker may have written into that table, and committed.
    """


def remedy(found: Whereabouts) -> Remedy:
    """Pure. Raises SetupError for a state that no swap leaves."""
    if not found.retired:
        return Remedy.NOTHING
    if not found.live & found.retired:
        return Remedy.PUT_BACK
    lost = set(TABLES) - found.live - found.shadow
    if lost:
        raise SetupError(
            f"a replay was cut short, and {', '.join(sorted(lost))} is in none of its databases:"
            " somebody removed it. Restore it from a backup"
        )
    return Remedy.GO_ON


def look(server: Server, databases: Databases) -> Whereabouts:
    """Where the tables are now."""
    found = server.rows(
        queries.WHERE_TABLES_ARE,
        live=databases.live,
        shadow=databases.shadow,
        retired=databases.retired,
        tables=list(TABLES),
    )
    held = {
        name: frozenset(table for database, table in found if database == name)
        for name in (databases.live, databases.shadow, databases.retired)
    }
    return Whereabouts(held[databases.live], held[databases.shadow], held[databases.retired])


def take_away(server: Server, databases: Databases) -> None:
    """From here on nothing can be written or read."""
    server.create(databases.retired)
    server.move(TABLES, databases.live, databases.retired)


def put_in_place(server: Server, databases: Databases) -> None:
    """From here on everything can, and there is no way back."""
    server.move(TABLES, databases.shadow, databases.live)


def settle(server: Server, databases: Databases, kept: str, say: Callable[[str], None]) -> Remedy:
    """Make the live tables whole, whatever a replay that was cut short has left. Idempotent.

    Never deletes a table with rows that are nowhere else: old tables that were replaced and not yet
    compared are kept in the database `kept`.
    """
    found = look(server, databases)
    needed = remedy(found)
    if needed is Remedy.PUT_BACK:
        server.move(_ordered(found.retired), databases.retired, databases.live)
        say("a replay was cut short before its swap: the old tables are back")
    elif needed is Remedy.GO_ON:
        server.move(_ordered(set(TABLES) - found.live), databases.shadow, databases.live)
        server.rename(databases.retired, kept)
        say(
            "a replay was cut short after it had begun to put the rebuilt tables in place: all of"
            f" them are now. The old ones are kept in {kept}, as nobody has compared them"
        )
    if needed is not Remedy.GO_ON:
        server.drop(databases.retired)
    return needed


def _ordered(tables: set[str] | frozenset[str]) -> list[str]:
    return [table for table in TABLES if table in tables]
