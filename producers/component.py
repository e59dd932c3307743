"""`WriteComponent`: the write side of a process: its routes, Kafka producer and look-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

from fastapi import APIRouter

from core.clock import Clock, SystemClock
from core.consistency.consistent_reader import ConsistentReader
from core.http.paths import EVENTS_PATH, PREFIX, SESSION_PATH
from core.http.raw_post import Post
from core.settings import Settings
from core.user_ids import UserIds
from producers.endpoints import Endpoints
from producers.ingest import Ingest
from producers.kafka_publisher import KafkaPublisher
from producers.mark import Marker
from producers.publisher import Publisher
from producers.routes import write_router
from producers.session_lookup import ClickHouseSessionLookup, SessionLookup


class WriteComponent:
    """Implements `core.http.component.Component`; the promises are there."""

    name = "write"

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        reader: ConsistentReader,
        sessions: SessionLookup,
        clock: Clock,
    ) -> None:
        self._limits = settings.limits
        self._publisher = publisher
        self._reader = reader
        self._sessions = sessions
        # One: what large bodies need of the processor is bounded, and they wait for each other.
        self._large_bodies = ThreadPoolExecutor(1, "large-bodies")
        ingest = Ingest(
            publisher,
            settings.limits,
            clock,
            UserIds.from_settings(settings),
            self._large_bodies,
        )
        marker = Marker(publisher, reader, sessions, settings, clock)
        self._endpoints = Endpoints(ingest, marker, settings, self._large_bodies)

    @classmethod
    def from_settings(cls, settings: Settings, reader: ConsistentReader) -> WriteComponent:
        """The write side on the servers that the settings name. It stops `reader` with itself."""
        return cls(
            settings,
            KafkaPublisher.from_settings(settings),
            reader,
            ClickHouseSessionLookup(settings),
            SystemClock(),
        )

    def routers(self) -> Sequence[APIRouter]:
        return (write_router(self._endpoints, self._limits),)

    async def start(self) -> None:
        await self._publisher.start()

    async def stop(self) -> None:
        async with AsyncExitStack() as stack:  # each is called, also when another one raises
            stack.push_async_callback(self._sessions.close)
            stack.push_async_callback(self._reader.stop)
            stack.callback(self._large_bodies.shutdown, wait=False)
            await self._publisher.stop()

    async def ready(self) -> Sequence[str]:
        """ClickHouse is not asked: without it sessions and events are taken in all the same."""
        return await self._publisher.ready()

    def raw_post_handlers(self) -> Mapping[str, Post]:
        handlers = {
            SESSION_PATH: self._endpoints.post_session,
            EVENTS_PATH: self._endpoints.post_events,
        }
        return {prefix + path: handlers[path] for prefix in ("", PREFIX) for path in handlers}
