"""Workers insert more rarely while ClickHouse has many parts to merge.

ClickHouse holds inserts up at a thousand parts in a partition and refuses them at three thousand.
Fifty workers whose flushes each make a part get there before a server says anything; so each looks
at the parts, and all of them come down together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from clickhouse_connect.driver.client import Client

from core.clickhouse import connect, translate
from core.clickhouse.layout import Layout
from core.errors import SinkUnavailable, StatementRefused, StatementTooLarge
from core.settings import Settings

log = logging.getLogger(__name__)

# Merges take seconds, and so does the way to too many parts.
_LOOK_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 10.0

# Numbers are as old as batches are rare, and memory holds what waits.
_RAREST_SECONDS: Final = 10.0

_MOST_PARTS: Final = """
SELECT max(parts) FROM (
    SELECT count() AS parts FROM {parts}
    WHERE active AND database IN {{databases:Array(String)}}
    GROUP BY hostName(), database, table, partition_id
)
SETTINGS skip_unavailable_shards = 1
"""


def paced_seconds(usual: float, parts: int, at_ease: int) -> float:
    """The time between two batches, from the most parts that a partition has. With twice as many
    as a server merges at ease, a quarter as many inserts. Pure."""
    crowding = max(1.0, parts / at_ease)
    return max(usual, min(usual * crowding**2, _RAREST_SECONDS))


class Pacing:
    """Tells how long to wait between two batches, again and again."""

    def __init__(self, settings: Settings, wait: Callable[[float], None]) -> None:
        """`wait` is told the seconds."""
        self._settings = settings
        self._wait = wait
        self._layout = Layout.of(settings)
        self._client: Client | None = None

    async def run(self) -> None:
        """Until it is cancelled. What ClickHouse does not answer is as it was before."""
        worker = self._settings.worker
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                parts = await asyncio.to_thread(self.most_parts)
            except (SinkUnavailable, StatementRefused, StatementTooLarge) as error:
                log.debug("the parts of tables cannot be counted: %s", error)
            else:
                self._wait(paced_seconds(worker.flush_seconds, parts, worker.parts_at_ease))

    def most_parts(self) -> int:
        """Of all partitions of all tables, on all nodes that answer. Blocks; raises
        SinkUnavailable, and StatementRefused without the right to read `system.parts`."""
        query = _MOST_PARTS.format(parts=self._layout.all_nodes("system.parts"))
        databases = [self._layout.database, self._layout.shard_database]
        with translate(self._settings, on_refusal=StatementRefused):
            if self._client is None:
                self._client = connect(
                    self._settings, role="clickstream worker", answer_seconds=_ANSWER_SECONDS
                )
            return int(self._client.query(query, {"databases": databases}).result_rows[0][0])
