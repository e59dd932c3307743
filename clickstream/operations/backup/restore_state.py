"""What a restore remembers in its staging database, so that it can be resumed after any cut.

The state is written when the tables are loaded, checked and migrated. Before that, a restore that
was cut short begins anew. After that, only the staging database has all of the data, so nothing
drops it but a complete restore.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.clickhouse.admin import Server

_TABLE: Final = "_restore_state"

_CREATE: Final = f"""
CREATE TABLE {{database:Identifier}}.{_TABLE}
(taken_at String, target String, tables Map(String, UUID)) ENGINE = TinyLog
"""
_WRITE: Final = f"""
INSERT INTO {{database:Identifier}}.{_TABLE}
SELECT {{taken_at:String}}, {{target:String}},
    mapFromArrays({{tables:Array(String)}}, {{uuids:Array(UUID)}})
"""
_READ: Final = f"SELECT taken_at, target, tables FROM {{database:Identifier}}.{_TABLE}"  # noqa: S608
_EXISTS: Final = f"""
SELECT 1 FROM system.tables WHERE database = {{database:String}} AND name = '{_TABLE}'
"""  # noqa: S608 - our own name
_UUIDS: Final = """
SELECT name, toString(uuid) FROM system.tables
WHERE database IN {databases:Array(String)} AND name IN {tables:Array(String)}
    AND endsWith(engine, 'MergeTree')
"""


@dataclass(frozen=True, slots=True)
class RestoreState:
    """A loaded backup: when it was taken, the database it is for, and the id of each table.

    A table keeps its id when it is moved or exchanged, so the id tells where a table is now.
    """

    taken_at: str
    target: str
    tables: Mapping[str, str]

    def swapped(self, server: Server) -> frozenset[str]:
        """The restored tables that are in the target already."""
        found = table_ids(server, self.target, list(self.tables))
        return frozenset(name for name, id_ in found.items() if self.tables[name] == id_)


def read_state(server: Server, staging: str) -> RestoreState | None:
    """The state of a restore that was cut short; None when nothing of it can be resumed."""
    if not server.rows(_EXISTS, database=staging):
        return None
    rows = server.rows(_READ, database=staging)
    if not rows:
        return None
    taken_at, target, tables = rows[0]
    return RestoreState(
        str(taken_at), str(target), {name: str(uuid) for name, uuid in tables.items()}
    )


def write_state(
    server: Server, staging: str, taken_at: str, target: str, tables: Sequence[str]
) -> RestoreState:
    """Remember that `tables` are complete in the staging database."""
    ids = table_ids(server, staging, tables)
    server.command(_CREATE, database=staging)
    server.command(
        _WRITE,
        database=staging,
        taken_at=taken_at,
        target=target,
        tables=list(ids),
        uuids=list(ids.values()),
    )
    return RestoreState(taken_at, target, ids)


def table_ids(server: Server, database: str, tables: Sequence[str]) -> dict[str, str]:
    """ClickHouse's ids of those of the tables that exist."""
    databases = list(server.layout_of(database).databases)
    rows = server.rows(_UUIDS, databases=databases, tables=list(tables))
    return {str(name): str(uuid) for name, uuid in rows}
