"""`SessionLookup`: whether the store holds a session, by a query of ClickHouse."""

from __future__ import annotations

import asyncio
from typing import Final, Literal, Protocol

from clickhouse_connect.driver.asyncclient import AsyncClient

from core.clickhouse.client import connect_async, translate
from core.errors import SinkUnavailable
from core.settings import Settings

# No FINAL: any version of the row proves that the session exists.
_QUERY: Final = "SELECT 1 FROM sessions WHERE session_id = {session_id:String} LIMIT 1"


class SessionLookup(Protocol):
    """Asks the store whether it holds a session. Used on one event loop."""

    async def find(self, session_id: str) -> Literal[True] | None:
        """True if the store has it now, None if not. Raises SinkUnavailable."""
        ...

    async def close(self) -> None:
        """Let the connection go. May be called without one."""
        ...


class ClickHouseSessionLookup:
    """One row by primary key. Connects when first asked, and anew after that failed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()

    async def find(self, session_id: str) -> Literal[True] | None:
        """Raises SinkUnavailable also when the answer takes longer than a read may wait."""
        try:
            async with asyncio.timeout(self._settings.reads.wait_seconds):
                client = await self._connected()
                with translate(self._settings):
                    found = await client.query(_QUERY, parameters={"session_id": session_id})
        except TimeoutError:
            raise SinkUnavailable("ClickHouse does not answer in time: try again") from None
        return True if found.result_rows else None

    async def close(self) -> None:
        if self._client is not None:
            closing, self._client = self._client, None
            await closing.close()

    async def _connected(self) -> AsyncClient:
        async with self._connecting:
            if self._client is None:
                self._client = await connect_async(self._settings, role="clickstream-edge")
            return self._client
