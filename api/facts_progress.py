"""Waits until `session_facts` has what a position stands for."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from api.queries import FACTS_PROGRESS
from api.store import Store
from core.consistency.sink_progress import CommitWaits
from core.errors import SinkBehind
from core.kafka.partitions import Partition
from core.settings import Settings
from schemas.topics import Topics

# Workers note their progress every second or so; one small query at each poll while anybody waits.
_POLL_SECONDS: Final = 0.1
_QUERY_SECONDS: Final = 2.0


class FactsProgress:
    """One per process and event loop, shared by all requests."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._progress = CommitWaits(_NotedOffsets(store, settings), _POLL_SECONDS)
        # Of marked sessions the facts are there before the mark is committed.
        self._marks = Topics.from_settings(settings).marks
        self._seconds = settings.reads.wait_seconds

    async def reached(self, targets: Mapping[Partition, int]) -> None:
        """Return once the facts have everything below these offsets; at once for none.

        Raises SinkBehind when that takes longer than `reads.wait_seconds`, and SinkUnavailable.
        """
        wanted = {p: offset for p, offset in targets.items() if p.topic != self._marks and offset}
        if not wanted:
            return
        try:
            async with asyncio.timeout(self._seconds):
                await self._progress.reached(wanted)
        except TimeoutError:
            raise SinkBehind(
                f"the facts have not caught up within {self._seconds:g} s: try again"
            ) from None

    async def close(self) -> None:
        """Whoever still waits gets a 503."""
        await self._progress.close()


class _NotedOffsets:
    """`facts_progress` as `core.kafka.offsets.CommittedOffsets`."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._epoch = settings.topics.epoch

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        """Of all partitions, whichever are asked for."""
        del partitions
        rows = await self._store.rows(FACTS_PROGRESS, _QUERY_SECONDS, epoch=self._epoch)
        return {Partition(row.topic, row.partition): row.offset for row in rows}

    async def close(self) -> None:
        """The store belongs to others."""
