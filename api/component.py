"""The read side of a process: its routes, and the connections behind them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version

from fastapi import APIRouter

from api.analytics import analytics_router
from api.console.page import SamplePosts, console_router
from api.erase import Eraser, erase_router
from api.events.log_follower import Followers
from api.events.lookup import lookup_router
from api.events.outcomes import LOOK_SECONDS
from api.events.reader import EventReader
from api.events.tail_route import tail_router
from api.events.waiting import waiting_router
from api.export.routes import export_router
from api.facts_progress import FactsProgress
from api.judgments.routes import judgments_router
from api.pipeline import pipeline_router
from api.queries import FIRST_BYTE_SECONDS, MISSING_TABLES
from api.releases.batches import batches_router
from api.releases.making import Makings
from api.releases.routes import releases_router
from api.releases.service import ReleaseService
from api.releases.sweep import sweep_for_ever
from api.session import session_router
from api.store import ClickHouseStore
from api.training.routes import training_router
from core.clock import SystemClock
from core.consistency.consistent_reader import ConsistentReader
from core.errors import Unavailable
from core.kafka.offsets import KafkaOffsets
from core.log_throttle import Throttle
from core.settings import Settings
from schemas.topics import Topics

# With the store's grace within the two seconds that `Component.ready` has.
_READY_SECONDS = 0.9

_log = logging.getLogger(__name__)


class ReadComponent:
    """Implements `core.http.component.Component`; the promises are there."""

    name = "read"

    def __init__(
        self,
        settings: Settings,
        eraser: Eraser,
        reader: ConsistentReader | None = None,
        *,
        can_write: bool = False,
        sample: SamplePosts | None = None,
    ) -> None:
        """`reader` is the process's, if another component has one already; `can_write`: the
        process takes posts too; `sample` makes the sample data that the console offers."""
        self._can_write = can_write
        self._sample = sample
        self._eraser = eraser
        self._settings = settings
        self._store = ClickHouseStore(settings)
        # Connections of its own: exports last long, and must not keep the other reads waiting.
        self._exports = ClickHouseStore(settings)
        # So are files that ClickHouse computes as a whole before it sends their first byte.
        self._computed_files = ClickHouseStore(settings, FIRST_BYTE_SECONDS)
        self._reader = reader or ConsistentReader.from_settings(
            settings, Topics.from_settings(settings)
        )
        clock = SystemClock()
        topic = Topics.from_settings(settings).events
        reads = settings.reads
        self._events = EventReader(self._store, topic, reads.wait_seconds, reads.query_seconds)
        self._events_of_tails = EventReader(self._store, topic, LOOK_SECONDS)
        self._followers = Followers(settings, clock)
        self._ending = asyncio.Event()
        self._clock = clock
        self._facts = FactsProgress(self._store, settings)
        self._offsets = KafkaOffsets(
            settings.kafka_options(),
            group=settings.worker.group,
            request_seconds=settings.reads.wait_seconds,
        )
        self._releases = ReleaseService(settings, clock, version("clickstream"))
        self._makings = Makings()
        self._sweeping: asyncio.Task[None] | None = None
        self._throttle = Throttle()

    def routers(self) -> Sequence[APIRouter]:
        return (
            session_router(self._store, self._reader, self._settings),
            lookup_router(self._events, self._reader, self._settings, self._clock),
            waiting_router(self._events, self._reader, self._settings),
            tail_router(
                self._followers.new,
                self._events_of_tails,
                self._settings,
                self._clock,
                self._ending,
            ),
            analytics_router(self._store, self._reader, self._facts, self._settings),
            pipeline_router(self._store, self._offsets, self._settings),
            judgments_router(
                self._store, self._computed_files, self._reader, self._facts, self._settings
            ),
            training_router(self._computed_files, self._reader, self._facts, self._settings),
            export_router(self._exports, self._reader, self._facts, self._settings),
            releases_router(self._releases, self._makings, self._reader, self._settings),
            batches_router(self._releases),
            erase_router(self._eraser),
        )

    def pages(self) -> APIRouter:
        return console_router(can_write=self._can_write, sample=self._sample)

    async def start(self) -> None:
        """Connections are made when they are first needed."""
        if self._settings.releases.uri:
            self._sweeping = asyncio.create_task(sweep_for_ever(self._releases))

    def end_streams(self) -> None:
        """Implements `core.http.component.HasStreams`."""
        self._ending.set()

    async def stop(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        async with AsyncExitStack() as stack:  # each is called, also when another one raises
            stack.push_async_callback(self._makings.end)
            stack.callback(self._releases.close)
            stack.push_async_callback(self._exports.close)
            stack.push_async_callback(self._computed_files.close)
            stack.push_async_callback(self._store.close)
            stack.push_async_callback(self._reader.stop)
            stack.push_async_callback(self._followers.close)
            stack.push_async_callback(self._offsets.close)
            await self._facts.close()

    async def ready(self) -> Sequence[str]:
        try:
            missing = await self._store.rows(MISSING_TABLES, _READY_SECONDS)
        except Unavailable as error:
            if self._throttle.allows("ready"):
                _log.warning("not ready: %s", error)
            return (error.public,)
        return [f"table {row.table} is missing: run `clickstream migrate`" for row in missing]
