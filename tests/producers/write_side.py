"""The write side on nothing but memory, behind an HTTP client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from core.consistency.consistent_reader import ConsistentReader
from core.consistency.position import Position
from core.errors import ClickstreamError, SessionNotFound
from core.http.app import build_app
from core.settings import Settings
from producers.component import WriteComponent
from schemas.contracts import Contract
from schemas.topics import Topics
from tests.clock import ManualClock
from tests.local_client import LocalClient
from tests.producers.memory_publisher import MemoryPublisher

T = TypeVar("T")


class FakeReader(ConsistentReader):
    """A reader whose sink is never behind; `doubt` is raised by the step that it is set for."""

    def __init__(self) -> None:
        self.waited: list[Position] = []
        self.waited_for_events: list[str | None] = []
        self.doubt_of_absence: ClickstreamError | None = None
        self.doubt_of_visibility: ClickstreamError | None = None

    async def find(self, session_id: str, look: Callable[[], Awaitable[T | None]]) -> T:
        found = await look()
        if found is not None:
            return found
        raise self.doubt_of_absence or SessionNotFound(f"there is no session {session_id!r}")

    async def wait_for(self, positions: Sequence[Position]) -> None:
        self.waited.extend(positions)
        if self.doubt_of_visibility is not None:
            raise self.doubt_of_visibility

    async def wait_for_events(self, session_id: str | None) -> None:
        self.waited_for_events.append(session_id)
        if self.doubt_of_absence is not None:
            raise self.doubt_of_absence

    async def wait_for_replicas(self) -> None:
        return

    async def stop(self) -> None:
        return


class FakeSessionLookup:
    """A store that holds these sessions."""

    def __init__(self) -> None:
        self.stored: set[str] = set()

    async def find(self, session_id: str) -> Literal[True] | None:
        return True if session_id in self.stored else None

    async def close(self) -> None:
        return


@dataclass(frozen=True)
class WriteSide:
    """The client, and what is behind it."""

    client: LocalClient
    publisher: MemoryPublisher
    reader: FakeReader
    sessions: FakeSessionLookup
    clock: ManualClock

    def written(self, contract: Contract) -> list[dict[str, Any]]:
        """The records of one kind, in the order of arrival."""
        return [dict(one.record) for one in self.publisher.log if one.contract is contract]


@contextmanager
def write_side(settings: Settings) -> Iterator[WriteSide]:
    publisher = MemoryPublisher(Topics.from_settings(settings), settings.topics.partitions)
    reader, sessions, clock = FakeReader(), FakeSessionLookup(), ManualClock()
    component = WriteComponent(settings, publisher, reader, sessions, clock)
    with LocalClient(build_app(settings, [component]), follow_redirects=False) as client:
        yield WriteSide(client, publisher, reader, sessions, clock)
