"""Mark a session irrelevant, or take the mark back: the only write that asks before it writes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol, TypeVar

from msgspec import Struct

from core.clock import Clock
from core.consistency.position import Position
from core.settings import Limits
from producers.publisher import Publisher
from producers.records import mark_record
from producers.validation import parse_mark
from schemas.contracts import MARK

T = TypeVar("T")

_AUDIT = logging.getLogger("clickstream.audit")


class Marked(Struct, frozen=True):
    """The mark is stored and visible to every read."""

    session_id: str
    is_irrelevant: bool


class Finder(Protocol):
    """What marking needs of `core.consistency.consistent_reader.ConsistentReader`."""

    async def find(self, session_id: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """What `look` finds; SessionNotFound when certain, Unavailable when in doubt."""
        ...

    async def wait_for(self, positions: Sequence[Position]) -> None:
        """Return once reads see these writes; Unavailable when that takes too long."""
        ...

    async def stop(self) -> None:
        """Whoever waits gets Unavailable."""
        ...


class Existence(Protocol):
    """Asks the store whether it holds a session."""

    async def look(self, session_id: str) -> Literal[True] | None:
        """True if the store has it now, None if not. Raises SinkUnavailable."""
        ...

    async def close(self) -> None:
        """Let the connection go. May be called without one."""
        ...


class Marker:
    """Marks sessions that exist."""

    def __init__(
        self,
        publisher: Publisher,
        finder: Finder,
        existence: Existence,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._publisher = publisher
        self._finder = finder
        self._existence = existence
        self._limits = limits
        self._clock = clock

    async def mark(self, body: bytes, caller: str | None) -> tuple[Marked, Position]:
        """POST /session/irrelevant, asked by the key named `caller`.

        Returns once every view leaves the session out. Raises SessionNotFound (nothing was
        written), another RequestRefused, or Unavailable: the mark may come to be, send it again.
        """
        request = parse_mark(body, self._limits)
        await self._finder.find(
            request.session_id, lambda: self._existence.look(request.session_id)
        )
        record = mark_record(request, caller, self._clock.now_ms())
        position = await self._publisher.publish(MARK, request.session_id, [record])
        # The table keeps the last word only; every word is in the topic, and here.
        _AUDIT.info(
            "session %r irrelevant=%s by=%s at=%s",
            *(request.session_id, request.is_irrelevant, caller or "anonymous", position),
        )
        await self._finder.wait_for([position])
        return Marked(request.session_id, request.is_irrelevant), position
