"""Whether every replica of a cluster has what was acknowledged.

An insert is acknowledged by a majority of the replicas of its shard. Of two, that is both. Of three
or more, one may lack it, and whoever reads there would miss it. So where a read must be certain, it
waits until no replica is behind. A node that does not answer may be behind: that is an error.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from clickhouse_connect.driver.asyncclient import AsyncClient

from core.clickhouse.client import connect_async, translate
from core.clickhouse.layout import Layout
from core.settings import Settings

# Of so many replicas a majority is all.
_ALL_ACKNOWLEDGE: Final = 2
_REPLICAS: Final = "SELECT max(replica_num) FROM system.clusters WHERE cluster = {cluster:String}"

# A replica copies the log of its shard into its queue, and then the parts that the queue names. A
# log that nobody has copied from may be empty; what was acknowledged, more than one has copied.
_BEHIND: Final = """
SELECT count() FROM (
    SELECT
        sum(inserts_in_queue) AS awaited,
        max(is_session_expired OR zookeeper_exception != '') AS lost_keeper,
        max(log_pointer) > 0 AND min(log_pointer) <= max(log_max_index) AS lags
    FROM {replicas}
    WHERE database IN {{databases:Array(String)}}
    GROUP BY zookeeper_path
)
WHERE awaited > 0 OR lost_keeper OR lags
"""

# Copying a part takes some milliseconds.
_ASK_AGAIN_SECONDS: Final = 0.05


class Replicas(Protocol):
    """Used on one event loop."""

    async def caught_up(self) -> None:
        """Return once every replica has every row that was acknowledged before this call. Has no
        timeout of its own. Raises SinkUnavailable when a node does not answer."""
        ...

    async def close(self) -> None:
        """Let the connection go. May be called without one."""
        ...


class ClusterReplicas:
    """Asks the nodes of a cluster. Connects when first asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._layout = Layout.of(settings)
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()

    async def caught_up(self) -> None:
        if not self._layout.cluster:
            return
        replicas = await self._number(_REPLICAS, cluster=self._layout.cluster)
        if replicas <= _ALL_ACKNOWLEDGE:
            return
        behind = _BEHIND.format(replicas=self._layout.all_nodes("system.replicas"))
        databases = [self._layout.database, self._layout.shard_database]
        while await self._number(behind, databases=databases):  # noqa: ASYNC110 - it is asked for
            await asyncio.sleep(_ASK_AGAIN_SECONDS)

    async def close(self) -> None:
        if self._client is not None:
            closing, self._client = self._client, None
            await closing.close()

    async def _number(self, query: str, **parameters: object) -> int:
        client = await self._connected()
        with translate(self._settings):
            return int((await client.query(query, parameters=parameters)).result_rows[0][0])

    async def _connected(self) -> AsyncClient:
        async with self._connecting:
            if self._client is None:
                self._client = await connect_async(
                    self._settings, role="clickstream reads", database="system"
                )
            return self._client
