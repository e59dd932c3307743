"""One day at a time: compute its facts from some of its parts, see that these are still there
afterwards, declare the facts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.binding import format_str
from clickhouse_connect.driver.exceptions import DatabaseError

from api.settling import queries
from core.clickhouse.client import connect_async, database_of, translate
from core.clock import Clock
from core.settings import Settings

# A day of 330,000 sessions and 2.7 million events takes 4 s. One thread, so that readers hardly
# notice; what does not fit into the memory goes to disk.
_COMPUTING: Final = {"max_threads": 1, "max_bytes_before_external_group_by": 300_000_000}
_ANSWER_SECONDS: Final = 3600.0

# Longer than any query that may still want a build that was replaced.
GRACE_SECONDS: Final = 600

# "Query with id = … is already running": another process is at this very day.
_ALREADY_RUNNING: Final = 216


@dataclass(frozen=True, slots=True)
class Due:
    """A day whose facts are wanted, and the parts to compute them from."""

    day: str
    parts: tuple[int, ...]
    """Their checksums: facts hold for as long as all of them are there."""
    session_parts: tuple[str, ...]
    """The names of those of sessions, as they are called at this moment."""
    event_parts: tuple[str, ...]


class Settler:
    """Any number of processes may settle the same tables at once.

    Methods raise SinkUnavailable when ClickHouse does not answer, and DatabaseError when it
    refuses, for want of rights for instance; nothing that was done half is ever read.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._client: AsyncClient | None = None

    async def due(self, quiet_seconds: int) -> Sequence[Due]:
        """Days with parts that have been still for that long and have no facts; newest first."""
        rows: Sequence[Any] = await self._query(queries.DUE, quiet_seconds=quiet_seconds)
        return [
            Due(day, tuple(parts), tuple(session_parts), tuple(event_parts))
            for day, parts, session_parts, event_parts in rows
        ]

    async def settle(self, due: Due) -> bool:
        """Compute and declare the facts of one day; False when it was not to be.

        Another process may be at it, or one of the parts is gone. Blocks nobody.
        """
        # The time in front tells how old a build is that was never declared.
        build = self._clock.now_ms() << 20 | secrets.randbits(20)
        if not await self._holds(due):
            return False
        try:
            await self._compute(due, build)
        except DatabaseError as error:
            if error.code == _ALREADY_RUNNING:
                return False
            raise
        # Parts do not come back: what is there now has been there all the time.
        if not await self._holds(due):
            await self._drop(due.day, build)
            return False
        await self._command(queries.COMMIT, day=due.day, build=build, parts=list(due.parts))
        return True

    async def delete_stale(self, grace_seconds: int = GRACE_SECONDS) -> int:
        """Drop what is not read any more; how many builds that were."""
        waste = await self._query(queries.WASTE, grace_seconds=grace_seconds)
        for day, build in waste:
            await self._command(queries.FORGET, build=build)
            await self._drop(str(day), build)
        return len(waste)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _compute(self, due: Due, build: int) -> None:
        database = database_of(self._settings)
        name = f"clickstream settle {database} {due.day}"
        # Of nothing but these parts: what a later one holds may be deleted there, and only there.
        filters = ", ".join(
            f"{format_str(f'{database}.{table}')}: {format_str(_of_parts(parts))}"
            for table, parts in (("sessions", due.session_parts), ("events", due.event_parts))
        )
        with translate(self._settings):
            client = await self._connected()
            # An id of its own for each: that of a query which has just ended may still be taken.
            for part, compute in (("", queries.COMPUTE), (" types", queries.COMPUTE_TYPES)):
                await client.command(
                    compute,
                    parameters={"day": due.day, "build": build},
                    settings={
                        **_COMPUTING,
                        "query_id": name + part,
                        "additional_table_filters": f"{{{filters}}}",
                    },
                )

    async def _drop(self, day: str, build: object) -> None:
        for drop in queries.DROPS:
            await self._command(drop, day=day, build=build)

    async def _holds(self, due: Due) -> bool:
        rows = await self._query(queries.HOLDS, day=due.day, parts=list(due.parts))
        return bool(rows[0][0])

    async def _query(self, sql: str, **parameters: object) -> Sequence[Sequence[object]]:
        with translate(self._settings):
            client = await self._connected()
            rows: Sequence[Sequence[object]] = (
                await client.query(sql, parameters=parameters)
            ).result_rows
            return rows

    async def _command(self, sql: str, **parameters: object) -> None:
        with translate(self._settings):
            client = await self._connected()
            await client.command(sql, parameters=parameters)

    async def _connected(self) -> AsyncClient:
        if self._client is None:
            self._client = await connect_async(
                self._settings, role="clickstream settle", answer_seconds=_ANSWER_SECONDS
            )
        return self._client


def _of_parts(parts: Sequence[str]) -> str:
    """A condition on rows."""
    return f"_part IN ({', '.join(map(format_str, parts))})" if parts else "false"
