"""How many rows and parts the tables have, as metrics: events that wait, dead letters, merges."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

from core.clickhouse import connect, translate
from core.clickhouse.layout import Layout
from core.errors import SinkUnavailable, StatementRefused, StatementTooLarge
from core.settings import Settings
from core.telemetry import WORKER_TABLE_PARTS, WORKER_TABLE_ROWS

log = logging.getLogger(__name__)

# As often as Prometheus usually looks.
_SECONDS: Final = 15.0
_ANSWER_SECONDS: Final = 10.0

# What a server knows of its parts without reading any; a node of a cluster, of its own shard.
_TABLES: Final = """
SELECT table, count() AS parts, sum(rows) AS rows FROM system.parts
WHERE active AND database IN (currentDatabase(), {shard:String}) GROUP BY table
"""


class TableSize(NamedTuple):
    """Of one table."""

    parts: int
    rows: int


class TableMetrics:
    """Reads the sizes of all tables while `owns` is true: one worker of a group does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self.owns = False

    async def run(self) -> None:
        """Until it is cancelled. What ClickHouse does not answer is shown as it was before."""
        while True:
            sizes = await asyncio.to_thread(self._sizes) if self.owns else {}
            if sizes is not None:
                show(sizes if self.owns else {})
            await asyncio.sleep(_SECONDS)

    def _sizes(self) -> Mapping[str, TableSize] | None:
        """Blocks. None when ClickHouse does not answer, of which the worker's log says enough."""
        try:
            return self.read()
        except (SinkUnavailable, StatementRefused, StatementTooLarge) as error:
            log.debug("the sizes of tables cannot be read: %s", error)
            return None

    def read(self) -> Mapping[str, TableSize]:
        """The sizes now. Blocks; raises SinkUnavailable, and StatementRefused without the right to
        read `system.parts`."""
        with translate(self._settings, on_refusal=StatementRefused):
            if self._client is None:
                self._client = connect(
                    self._settings, role="clickstream worker", answer_seconds=_ANSWER_SECONDS
                )
            shard = {"shard": Layout.of(self._settings).shard_database}
            rows = self._client.query(_TABLES, parameters=shard).result_rows
        return {str(table): TableSize(int(parts), int(count)) for table, parts, count in rows}


def show(sizes: Mapping[str, TableSize]) -> None:
    """Make the metrics show these tables and no others."""
    WORKER_TABLE_PARTS.clear()
    WORKER_TABLE_ROWS.clear()
    for table, size in sizes.items():
        WORKER_TABLE_PARTS.labels(table).set(size.parts)
        WORKER_TABLE_ROWS.labels(table).set(size.rows)
