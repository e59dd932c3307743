"""`CLICKSTREAM_RETENTION_DAYS` → the TTL of tables. docs/privacy.md says what it means for users.

Sessions, their events and their facts expire together and by whole days: all lie in the partition
of the session's day, all of whose rows expire at once, so parts are dropped and none is rewritten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.client import Client

# The partition of sessions whose created_at was too far from their receipt has no day of its own.
_DAY: Final = "if(session_day = toDate(0), toDate(received_at), session_day)"

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
        Expiry("session_marks", "toDateTime(received_at)", days + _MARKS_LONGER_DAYS),
        *always,
    )


# Tables without a TTL of their own in schemas/tables.
_WITHOUT_TTL: Final = ("sessions", "events", "session_facts", "session_marks")

_TABLES: Final = "SELECT name FROM system.tables WHERE database = currentDatabase()"
_TTL_OF: Final = """
SELECT extract(engine_full, ' TTL (.*?)(?: SETTINGS |$)')
FROM system.tables
WHERE database = currentDatabase() AND name = {table:String}
"""
_MATERIALIZE: Final = "ALTER TABLE {table:Identifier} MATERIALIZE TTL"
_REMOVE: Final = "ALTER TABLE {table:Identifier} REMOVE TTL"


def set_table_retention(client: Client, days: int) -> list[str]:
    """Set the TTL of each table in the client's database; returns the names of those that changed.

    Idempotent. ClickHouse deletes expired rows in the background, within hours.
    """
    there = set(client.query(_TABLES).result_columns[0])
    wanted = [expiry for expiry in expiries(days) if expiry.table in there]
    changed = [expiry.table for expiry in wanted if _set_ttl(client, expiry)]
    kept = there.intersection(_WITHOUT_TTL) - {expiry.table for expiry in wanted}
    return changed + [table for table in sorted(kept) if _remove_ttl(client, table)]


def _set_ttl(client: Client, expiry: Expiry) -> bool:
    names = {"table": expiry.table}
    before = client.command(_TTL_OF, parameters=names)
    # The server writes the expression in a form of its own, so it is asked what has changed.
    client.command(_modify(expiry), settings={"materialize_ttl_after_modify": 0})
    if client.command(_TTL_OF, parameters=names) == before:
        return False
    client.command(_MATERIALIZE, parameters=names)
    return True


def _remove_ttl(client: Client, table: str) -> bool:
    if not client.command(_TTL_OF, parameters={"table": table}):
        return False
    client.command(_REMOVE, parameters={"table": table})
    return True


def _modify(expiry: Expiry) -> str:
    """An expression cannot be bound; both parts of it are ours."""
    return f"ALTER TABLE {expiry.table} MODIFY TTL {expiry.ttl}"
