"""One day at a time: compute its facts, see that it has not changed meanwhile, declare them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import DatabaseError

from api.settling import queries
from clickstream.clickhouse import connect_async, database_of, translate
from clickstream.clock import Clock
from clickstream.settings import Settings

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
    """A day without facts that hold, and the checksum of what it consists of."""

    day: str
    content: str


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
        """Days that nothing has been written to for that long, newest first."""
        rows = await self._query(queries.DUE, quiet_seconds=quiet_seconds)
        return [Due(str(day), str(content)) for day, content in rows]

    async def settle(self, due: Due) -> bool:
        """Compute and declare the facts of one day; False when it was not to be.

        Another process may be at it, or the day has changed. Blocks nobody.
        """
        # The time in front tells how old a build is that was never declared.
        build = self._clock.now_ms() << 20 | secrets.randbits(20)
        if await self._content(due.day) != due.content:
            return False
        try:
            await self._compute(due.day, build)
        except DatabaseError as error:
            if error.code == _ALREADY_RUNNING:
                return False
            raise
        if await self._content(due.day) != due.content:
            await self._drop(due.day, build)
            return False
        await self._command(queries.COMMIT, day=due.day, build=build, content=due.content)
        return True

    async def sweep(self, grace_seconds: int = GRACE_SECONDS) -> int:
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

    async def _compute(self, day: str, build: int) -> None:
        name = f"clickstream settle {database_of(self._settings)} {day}"
        with translate(self._settings):
            client = await self._connected()
            # An id of its own for each: that of a query which has just ended may still be taken.
            for part, compute in (("", queries.COMPUTE), (" types", queries.COMPUTE_TYPES)):
                await client.command(
                    compute,
                    parameters={"day": day, "build": build},
                    settings={**_COMPUTING, "query_id": name + part},
                )

    async def _drop(self, day: str, build: object) -> None:
        for drop in queries.DROPS:
            await self._command(drop, day=day, build=build)

    async def _content(self, day: str) -> str | None:
        rows = await self._query(queries.CONTENT, day=day)
        return str(rows[0][0]) if rows else None

    async def _query(self, sql: str, **parameters: str | int) -> Sequence[Sequence[object]]:
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
