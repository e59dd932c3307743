"""What the tables were and what they are: counts and checksums, while traffic flows or not.

Both sides are measured as of the same moment: the offsets that the workers had committed when the
old tables were taken away. Below them the old tables are complete and nothing changes any more, so
the two sides must be equal to the last bit; what lies above was on its way, and is counted apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clickstream.operations.rebuild import queries
from clickstream.operations.rebuild.bounds import Bounds
from clickstream.operations.rebuild.databases import TABLES, Databases
from core.clickhouse.admin import Server

# Rows of the two tables that ClickHouse deletes after 30 days are compared only well before that,
# or one side could lose one between the two looks. Milliseconds.
_STABLE_MS = 29 * 24 * 3600 * 1000

# An event that waits and is adopted between the two looks of one query is missed by it, or seen
# twice; the next look is right.
_LOOKS = 5


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Of one table: how many rows, and a checksum of all their columns, whatever their order."""

    rows: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Compared:
    """One table before the swap and after it."""

    table: str
    before: Fingerprint
    after: Fingerprint

    @property
    def equal(self) -> bool:
        return self.before == self.after


def compare(
    server: Server, databases: Databases, bounds: Bounds, now_ms: int, pause: Callable[[], None]
) -> tuple[Compared, ...]:
    """Every table, old against new, as far as `bounds` reach. `pause` is called between looks."""

    def look(table: str) -> Compared:
        before, after = (
            _fingerprint(server, table, side, databases.live, bounds, now_ms)
            for side in (databases.retired, databases.live)
        )
        return Compared(table, before, after)

    compared = {table: look(table) for table in TABLES}
    for _ in range(_LOOKS - 1):
        unequal = [table for table, found in compared.items() if not found.equal]
        if not unequal:
            break
        pause()
        compared.update({table: look(table) for table in unequal})
    return tuple(compared.values())


def _fingerprint(
    server: Server, table: str, side: str, live: str, bounds: Bounds, now_ms: int
) -> Fingerprint:
    ((rows, checksum),) = server.rows(
        queries.FINGERPRINTS[table],
        side=side,
        live=live,
        since=now_ms - _STABLE_MS,
        **bounds.parameters(),
    )
    return Fingerprint(int(rows), int(checksum))


def remembered_otherwise(server: Server, databases: Databases, bounds: Bounds) -> int:
    """How many stored sessions have another time, day or list in the shadow, or are not there.

    These are what a worker keeps in memory of a session: it would go on joining by the old ones.
    """
    parameters = bounds.parameters()
    live, shadow = (
        {
            day: (count, checksum)
            for day, count, checksum in server.rows(
                queries.REMEMBERED_BY_DAY, side=side, **parameters
            )
        }
        for side in (databases.live, databases.shadow)
    )
    return sum(
        server.number(
            queries.REMEMBERED_OTHERWISE,
            live=databases.live,
            shadow=databases.shadow,
            day=day,
            **parameters,
        )
        for day, found in live.items()
        if shadow.get(day) != found
    )
