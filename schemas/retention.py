"""`CLICKSTREAM_RETENTION_DAYS` → the TTL of tables. docs/privacy.md says what it means for users.

Sessions, their events and their facts expire together and by whole days: all lie in the partition
of the session's day, all of whose rows expire at once, so parts are dropped and none is rewritten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.client import Client

from core.clickhouse.layout import Layout

# The partition of sessions whose created_at was too far from their receipt has no day of its own.
_DAY: Final = "if(session_day = toDate(0), toDate(received_at), session_day)"
_DAY_OF_JOIN: Final = "if(session_day = toDate(0), toDate(noted_at), session_day)"

# A mark must outlive its session, or the session would count again. A mark may come a month before
# its session, as events may.
_MARKS_LONGER_DAYS: Final = 31

# Waiting events and dead letters are never kept longer than this. schemas/tables has the same.
_WAITING_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Expiry:
    """When the rows of a table expire: so many days after `since`, an SQL expression."""

    table: str
    since: str
    days: int

    @property
    def ttl(self) -> str:
        return f"{self.since} + toIntervalDay({self.days})"


def expiries(days: int) -> tuple[Expiry, ...]:
    """The expiry of each table that has one. `days` 0: sessions, events and marks have none."""
    waiting = min(days or _WAITING_DAYS, _WAITING_DAYS)
    always = (
        Expiry("unjoined_events", "toDateTime(received_at)", waiting),
        Expiry("dead_letters", "toDateTime(failed_at)", waiting),
    )
    if not days:
        return always
    return (
        Expiry("sessions", _DAY, days),
        Expiry("events", _DAY, days),
        Expiry("session_facts", _DAY, days),
        Expiry("late_joins", _DAY_OF_JOIN, days),
        Expiry("session_marks", "toDateTime(received_at)", days + _MARKS_LONGER_DAYS),
        *always,
    )


# Tables without a TTL of their own in schemas/tables.
_WITHOUT_TTL: Final = ("sessions", "events", "session_facts", "session_marks", "late_joins")

_TABLES: Final = "SELECT name FROM system.tables WHERE database = {database:String}"
_TTL_OF: Final = """
SELECT extract(engine_full, ' TTL (.*?)(?: SETTINGS |$)')
FROM system.tables
WHERE database = {database:String} AND name = {table:String}
"""
_ALTER: Final = "ALTER TABLE {database:Identifier}.{table:Identifier}"


def set_table_retention(client: Client, layout: Layout, days: int) -> list[str]:
    """Set the TTL of each table; returns the names of those that changed.

    Idempotent. ClickHouse deletes expired rows in the background, within hours.
    """
    database = {"database": layout.shard_database}
    there = set(client.query(_TABLES, parameters=database).result_columns[0])
    tables = _Tables(client, layout)
    wanted = [expiry for expiry in expiries(days) if expiry.table in there]
    changed = [expiry.table for expiry in wanted if tables.set_ttl(expiry)]
    kept = there.intersection(_WITHOUT_TTL) - {expiry.table for expiry in wanted}
    return changed + [table for table in sorted(kept) if tables.remove_ttl(table)]


@dataclass(frozen=True, slots=True)
class _Tables:
    client: Client
    layout: Layout

    def set_ttl(self, expiry: Expiry) -> bool:
        """Whether that changed anything."""
        before = self._ttl_of(expiry.table)
        # The server writes the expression in a form of its own, so it is asked what has changed. It
        # cannot be bound; both parts of it are ours.
        self._alter(expiry.table, f"MODIFY TTL {expiry.ttl}", {"materialize_ttl_after_modify": 0})
        if self._ttl_of(expiry.table) == before:
            return False
        self._alter(expiry.table, "MATERIALIZE TTL")
        return True

    def remove_ttl(self, table: str) -> bool:
        """Whether there was one."""
        if not self._ttl_of(table):
            return False
        self._alter(table, "REMOVE TTL")
        return True

    def _ttl_of(self, table: str) -> object:
        return self.client.command(_TTL_OF, parameters=self._names(table))

    def _alter(self, table: str, what: str, settings: dict[str, int] | None = None) -> None:
        statement = f"{_ALTER}{self.layout.on_cluster} {what}"
        self.client.command(statement, parameters=self._names(table), settings=settings)

    def _names(self, table: str) -> dict[str, str]:
        return {"database": self.layout.shard_database, "table": table}
