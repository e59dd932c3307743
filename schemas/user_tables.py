"""Which tables hold data of users. The schema says so, so that no new table can be forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

# A table that has one of these columns holds data of users, and is erased by the first one that it
# has.
BY_SESSION: Final[Mapping[str, str]] = {
    "session_id": "session_id IN {ids:Array(String)}",
}
BY_USER: Final[Mapping[str, str]] = {
    "user_id": "user_id IN {users:Array(String)}",
}

_CONDITIONS: Final = {**BY_SESSION, **BY_USER}

DEAD_LETTERS: Final = "dead_letters"

COLUMNS: Final = """
SELECT table, groupArray(name) FROM system.columns
WHERE database = {database:String}
    AND name IN ('session_id', 'user_id')
    AND table IN (
        SELECT name FROM system.tables
        WHERE database = {database:String} AND endsWith(engine, 'MergeTree')
    )
GROUP BY table
ORDER BY table
"""
"""The argument of `tables_with_user_data`."""


@dataclass(frozen=True, slots=True)
class UserDataTable:
    """A table with data of users. `condition` selects the rows of some sessions (`{ids}`), or of
    some users (`{users}`) where the table has no session."""

    table: str
    condition: str

    @property
    def keyed_by_session(self) -> bool:
        """Whether `condition` selects by session."""
        return self.condition in BY_SESSION.values()


def tables_with_user_data(columns: Iterable[Sequence[Any]]) -> tuple[UserDataTable, ...]:
    """The tables with data of users. Sessions are the last: while a session exists, an erasure that
    was cut short can start from it again. Pure."""
    found = [
        UserDataTable(table, next(c for name, c in _CONDITIONS.items() if name in names))
        for table, names in columns
    ]
    return tuple(sorted(found, key=lambda each: (each.table == "sessions", each.table)))


def delete(condition: str) -> str:
    """Deletes rows for every reader; they stay on the disk."""
    return f"DELETE FROM {{database:Identifier}}.{{table:Identifier}} WHERE {condition}"  # noqa: S608
