"""`WriteComponent`: the write side of a process: its routes, its hot path, and what is behind
them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from fastapi import APIRouter
from starlette.types import ASGIApp

from core.clock import Clock, SystemClock
from core.consistency.consistent_reader import ConsistentReader
from core.http.access import Access
from core.http.app import PREFIX
from core.http.fast_post_protocol import Post
from core.settings import Settings
from core.user_ids import UserIds
from producers.endpoints import Endpoints
from producers.hot_path import HotPath
from producers.ingest import Ingest
from producers.kafka_publisher import KafkaPublisher
from producers.mark import Existence, Finder, Marker
from producers.publisher import Publisher
from producers.routes import EVENTS_PATH, SESSION_PATH, write_router
from producers.session_lookup import ClickHouseSessionLookup
from schemas.topics import Topics

T = TypeVar("T")


class WriteComponent:
    """Implements `core.http.component.Component`; the promises are there."""

    name = "write"

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        finder: Finder,
        existence: Existence,
        clock: Clock,
    ) -> None:
        self._publisher = publisher
        self._finder = finder
        self._existence = existence
        acceptor = Ingest(publisher, settings.limits, clock, UserIds.from_settings(settings))
        marker = Marker(publisher, finder, existence, settings.limits, clock)
        self._endpoints = Endpoints(acceptor, marker, settings.limits)

    @classmethod
    def from_settings(cls, settings: Settings) -> WriteComponent:
        """The role on the servers that the settings name."""
        return cls(
            settings,
            KafkaPublisher.from_settings(settings),
            ConsistentReader.from_settings(settings, Topics.from_settings(settings)),
            ClickHouseSessionLookup(settings),
            SystemClock(),
        )

    def routers(self) -> Sequence[APIRouter]:
        return (write_router(self._endpoints),)

    async def start(self) -> None:
        await self._publisher.start()

    async def stop(self) -> None:
        await self._publisher.stop()
        await self._finder.stop()
        await self._existence.close()

    async def ready(self) -> Sequence[str]:
        """ClickHouse is not asked: without it sessions and events are taken in all the same."""
        return await self._publisher.ready()

    def wrap(self, app: ASGIApp, access: Access) -> ASGIApp:
        hot = {
            SESSION_PATH: self._endpoints.create_session,
            EVENTS_PATH: self._endpoints.push_events,
        }
        return HotPath(app, _under_both_prefixes(hot), access)

    def raw_post_handlers(self) -> Mapping[str, Post]:
        return _under_both_prefixes(
            {
                SESSION_PATH: self._endpoints.post_session,
                EVENTS_PATH: self._endpoints.post_events,
            }
        )


def _under_both_prefixes(hot: Mapping[str, T]) -> dict[str, T]:
    return {prefix + path: hot[path] for prefix in ("", PREFIX) for path in hot}
