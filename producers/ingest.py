"""Body → records → Kafka: the one way in for sessions and events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, TypeVar

from msgspec import Struct

from core.clock import Clock
from core.consistency.position import Position
from core.settings import Limits
from core.user_ids import UserIds
from producers.json_bodies import EventsBody, SessionBody
from producers.publisher import Publisher
from producers.recent_posts import RecentPosts
from producers.records import Record, event_records, session_record
from producers.validation import parse_events, parse_session
from schemas.contracts import EVENT, SESSION

# A body of more bytes is read on a thread: it would keep all other requests waiting.
_LARGE_BYTES: Final = 64 * 1024

T = TypeVar("T")


class Accepted(Struct, frozen=True, omit_defaults=True):
    """Durable in Kafka: `accepted` is the number of records that the request held. `ignored`: what
    has no effect, if there is any: fields that nobody knows; `$`, or an event, whose id was posted
    before with other content, as far as this process remembers. `note` then says so."""

    session_id: str
    accepted: int
    ignored: tuple[str, ...] = ()
    note: str = ""


_TAKEN_SESSION: Final = (
    "this session_id was posted before with another query or list: the first post stands, and all"
    " of this one is ignored. Further results cannot be added to a search"
)
_TAKEN_EVENTS: Final = (
    "these event ids were posted before in this session, for another object or type: their first"
    " posts stand"
)
# Of one request: events beyond are taken without a look.
_MOST_COMPARED: Final = 100


class Ingest:
    """Both methods return once everything is durable. They raise RequestRefused (nothing was
    written) or Unavailable (the outcome is unknown: send it again)."""

    def __init__(
        self,
        publisher: Publisher,
        limits: Limits,
        clock: Clock,
        user_ids: UserIds,
        large_bodies: Executor,
    ) -> None:
        self._publisher = publisher
        self._limits = limits
        self._clock = clock
        self._pseudonymize = user_ids.pseudonymize if user_ids.enabled else None
        self._large_bodies = large_bodies
        self._recent = RecentPosts()

    async def session(self, body: bytes) -> tuple[Accepted, Position]:
        """POST /session."""
        ignored: list[str] = []
        if len(body) <= _LARGE_BYTES:
            sent, record = self._read_session(body, ignored)
        else:
            sent, record = await self._on_thread(self._read_session, body, ignored)
        if self._pseudonymize is not None and sent.user_id is not None:
            record["user_id"] = self._pseudonymize(sent.user_id)
        content = (sent.search_query, *[result.object_id for result in sent.search_results])
        # Asked before it is published: what was acknowledged by then is first in the log.
        is_taken = self._recent.has_other(sent.session_id, content)
        position = await self._publisher.publish(SESSION, sent.session_id, [record])
        if is_taken:
            return Accepted(sent.session_id, 1, ("$",), _TAKEN_SESSION), position
        self._recent.acknowledged(sent.session_id, content)
        return Accepted(sent.session_id, 1, tuple(ignored)), position

    async def events(self, body: bytes) -> tuple[Accepted, Position]:
        """POST /session/events."""
        ignored: list[str] = []
        if len(body) <= _LARGE_BYTES:
            sent, records = self._read_events(body, ignored)
        else:
            sent, records = await self._on_thread(self._read_events, body, ignored)
        compared = [
            ((sent.session_id, record["event_id"]), (record["object_id"], record["event_type"]))
            for record in records[:_MOST_COMPARED]
        ]
        taken = [n for n, each in enumerate(compared) if self._recent.has_other(*each)]
        position = await self._publisher.publish(EVENT, sent.session_id, records)
        for each in compared:
            self._recent.acknowledged(*each)
        note = _TAKEN_EVENTS if taken else ""
        places = (*ignored, *(f"$.events[{n}]" for n in taken))
        return Accepted(sent.session_id, len(records), places, note), position

    def _read_session(self, body: bytes, ignored: list[str]) -> tuple[SessionBody, Record]:
        sent = parse_session(body, self._limits, ignored)
        return sent, session_record(sent, self._clock.now_ms())

    def _read_events(self, body: bytes, ignored: list[str]) -> tuple[EventsBody, list[Record]]:
        sent = parse_events(body, self._limits, ignored)
        return sent, event_records(sent, self._clock.now_ms())

    async def _on_thread(
        self, read: Callable[[bytes, list[str]], T], body: bytes, ignored: list[str]
    ) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._large_bodies, read, body, ignored)
