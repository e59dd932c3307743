"""The files of the ClickHouse schema → statements for a cluster. Pure: text in, text out.

A table is one of two kinds. Tables of single sessions, and the dead letters, are sharded:
replicated within their shard in `<db>_shard`, with a Distributed table of the same name in `<db>`.
All others are small and the same on all nodes: replicated everywhere, in `<db>` itself.

A view of single sessions is made in `<db>_shard`, so that its readers' filters work on the shards;
`<db>` has a Distributed table over it. Other views are in `<db>`, over Distributed tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.clickhouse.layout import Layout
from core.errors import MigrationError
from schemas.sql_files import SqlFile

# Everything of a session is on one shard. It is Kafka's own hash: when the number of shards divides
# that of partitions, all of a partition is on one shard, and a flush makes parts there alone.
_OF_SESSION: Final = "kafkaMurmurHash(session_id)"

SHARDED: Final[Mapping[str, str]] = {
    "sessions": _OF_SESSION,
    "events": _OF_SESSION,
    "session_marks": _OF_SESSION,
    "session_facts": _OF_SESSION,
    "unjoined_events": _OF_SESSION,
    "dead_letters": "cityHash64(topic, partition, offset)",
}
"""By table, which shard a row is on. A function of the sorting key, so that rows that replace each
other meet."""

SAME_EVERYWHERE: Final = frozenset(
    {
        "_topic_epochs",
        "dead_letter_acts",
        "erased_dead_letters",
        "erased_sessions",
        "erasure_log",
        "erasures",
        "facts_progress",
        "late_joins",
    }
)

OF_SESSIONS: Final = frozenset(
    {
        "_relevant_session_facts",
        "impressions",
        "relevant_events",
        "relevant_sessions",
        "session_outcomes",
    }
)
"""The views that say something of single sessions, and take no parameters."""

_SHARD_PATH: Final = "'/clickhouse/tables/{uuid}/{shard}', '{replica}'"
_COMMON_PATH: Final = "'/clickhouse/tables/{uuid}/all', '{shard}-{replica}'"

_ENGINE: Final = re.compile(r"^ENGINE = (\w*MergeTree)(?:\((.*?)\))?$", re.MULTILINE)
_CREATE: Final = re.compile(r"^(CREATE (?:OR REPLACE )?(?:TABLE|VIEW)(?: IF NOT EXISTS)?) (\w+)")
_EXISTING: Final = re.compile(r"^CREATE TABLE (\S+)")
_ALTER: Final = re.compile(r"^ALTER TABLE (\w+)")
_NAMES: Final = "|".join((*SHARDED, *SAME_EVERYWHERE, *OF_SESSIONS))
_READ: Final = re.compile(rf"\b(FROM|JOIN) (?=(?:{_NAMES}|_\w+)\b|\w+\(\s*from_ms)")


@dataclass(frozen=True, slots=True)
class Existing:
    """A table that a node has: its id, and its CREATE TABLE as it is now."""

    uuid: str
    create: str


def statements(file: SqlFile, layout: Layout, existing: Mapping[str, Existing]) -> tuple[str, ...]:
    """What a file is on this layout: its own statements on one server.

    `existing` has the tables that some node has already, by name. A node that lacks one joins it:
    under the same path in Keeper, and as it is there, which may be before a migration or with
    another retention. Raises MigrationError for a table of unknown kind, and for a
    migration that does something else than ALTER TABLE.
    """
    if not layout.cluster:
        return file.statements
    if file.path.startswith("migrations/"):
        return tuple(_altered(statement, layout) for statement in file.statements)
    (statement,) = file.statements
    if file.path.startswith("tables/"):
        return _table(file.name, statement, layout, existing.get(file.name))
    return _view(file.name, statement, layout)


def table_same_everywhere(statement: str, layout: Layout, existing: Existing | None) -> str:
    """A CREATE TABLE → the same for a table that every node has whole."""
    if not layout.cluster:
        return statement
    return _replicated(statement, layout.database, layout, _COMMON_PATH, existing)


def database_of_table(name: str, layout: Layout) -> str:
    """The database in which a table itself is, not one that is Distributed over it."""
    return layout.shard_database if name in SHARDED else layout.database


def table_itself(name: str, layout: Layout) -> str:
    """The qualified name of the table itself."""
    return f"`{database_of_table(name, layout)}`.`{name}`"


def all_rows(name: str, layout: Layout) -> str:
    """What to select from for every row once, where no Distributed table may be."""
    table = table_itself(name, layout)
    return f"cluster('{layout.cluster}', {table})" if layout.cluster and name in SHARDED else table


def empty_copy(name: str, source: Layout, target: Layout) -> str:
    """The statement for an empty table like another one, in the place that is its own there."""
    table, like = table_itself(name, target), table_itself(name, source)
    return f"CREATE TABLE {table}{target.on_cluster} AS {like}"


def distributed_table(name: str, layout: Layout) -> tuple[str, ...]:
    """The statement for the table that reads and inserts name, where it is not the table itself."""
    if not layout.cluster or name not in SHARDED:
        return ()
    return (_distributed(name, layout, f", {SHARDED[name]}"),)


def parts_of(name: str, source: Layout, target: Layout) -> tuple[str, ...]:
    """Statements that give an empty copy the present parts of its source, by hard links.

    Of a sharded table, one replica of each shard attaches them, when it has all that any has; the
    others follow it. Of a table that all nodes have, the node that is asked.
    """
    table, like = table_itself(name, target), table_itself(name, source)
    attach = f"ALTER TABLE {table} ATTACH PARTITION ALL FROM {like}"
    if not target.cluster:
        return (attach,)
    if name in SHARDED:
        attach = target.on_every_node(attach)
    return (*caught_up(name, source), attach)


def caught_up(name: str, layout: Layout) -> tuple[str, ...]:
    """The statement that returns once every replica of a table has what any of them has now."""
    if not layout.cluster:
        return ()
    return (layout.on_every_node(f"SYSTEM SYNC REPLICA {table_itself(name, layout)} LIGHTWEIGHT"),)


def exchange(name: str, here: Layout, there: Layout) -> str:
    """The statement that exchanges two tables; on a cluster, node by node."""
    tables = f"{table_itself(name, here)} AND {table_itself(name, there)}"
    return f"EXCHANGE TABLES {tables}{here.on_cluster}"


def move(name: str, source: Layout, target: Layout) -> str:
    """The statement that moves a table to where there is none."""
    old, new = table_itself(name, source), table_itself(name, target)
    return f"RENAME TABLE {old} TO {new}{source.on_cluster}"


def places_of(name: str, layout: Layout) -> int:
    """In how many databases of a node an object of this name is."""
    return 2 if layout.cluster and (name in SHARDED or name in OF_SESSIONS) else 1


def _table(name: str, statement: str, layout: Layout, existing: Existing | None) -> tuple[str, ...]:
    if name in SAME_EVERYWHERE:
        return (table_same_everywhere(statement, layout, existing),)
    if name not in SHARDED:
        raise MigrationError(
            f"tables/{name}.sql: schemas/cluster_sql.py does not say how it is sharded"
        )
    return (
        _replicated(statement, layout.shard_database, layout, _SHARD_PATH, existing),
        _distributed(name, layout, f", {SHARDED[name]}"),
    )


def _view(name: str, statement: str, layout: Layout) -> tuple[str, ...]:
    database = layout.shard_database if name in OF_SESSIONS else layout.database
    view = _created(_READ.sub(rf"\1 {database}.", statement), database, layout)
    return (view, _distributed(name, layout, "")) if name in OF_SESSIONS else (view,)


def _replicated(
    statement: str, database: str, layout: Layout, path: str, existing: Existing | None
) -> str:
    def engine(match: re.Match[str]) -> str:
        arguments = f"{path}, {match[2]}" if match[2] else path
        return f"ENGINE = Replicated{match[1]}({arguments})"

    if existing is not None:
        head = f"CREATE TABLE IF NOT EXISTS \\1 UUID '{existing.uuid}'{layout.on_cluster}"
        return _EXISTING.sub(head, existing.create)
    created = _created(statement, database, layout)
    replicated, count = _ENGINE.subn(engine, created)
    if count != 1:
        raise MigrationError(f"no line `ENGINE = …MergeTree` in {statement[:100]}")
    return replicated


def _created(statement: str, database: str, layout: Layout) -> str:
    return _CREATE.sub(rf"\1 {database}.\2{layout.on_cluster}", statement)


def _distributed(name: str, layout: Layout, sharding_key: str) -> str:
    return (
        f"CREATE OR REPLACE TABLE {layout.database}.{name}{layout.on_cluster}"
        f" AS {layout.shard_database}.{name} ENGINE = Distributed("
        f"'{layout.cluster}', '{layout.shard_database}', '{name}'{sharding_key})"
    )


def _altered(statement: str, layout: Layout) -> str:
    match = _ALTER.match(statement)
    if match is None:
        raise MigrationError(
            f"a migration for clusters may only ALTER TABLE, not {statement[:60]!r}"
        )
    database = layout.shard_database if match[1] in SHARDED else layout.database
    return _ALTER.sub(rf"ALTER TABLE {database}.\1{layout.on_cluster}", statement)
