"""Mark a session irrelevant, or take the mark back. The session is looked up first."""

from __future__ import annotations

import asyncio
import logging

from msgspec import Struct

from core.clock import Clock
from core.consistency.consistent_reader import ConsistentReader
from core.consistency.position import Position
from core.errors import SinkBehind
from core.settings import Settings
from producers.json_bodies import MarkBody
from producers.publisher import Publisher
from producers.records import mark_record
from producers.session_lookup import SessionLookup
from producers.validation import parse_mark
from schemas.contracts import MARK

_AUDIT = logging.getLogger("clickstream.audit")


class Marked(Struct, frozen=True):
    """The mark is stored and visible to every read."""

    session_id: str
    is_irrelevant: bool


class Marker:
    """Marks sessions that exist."""

    def __init__(
        self,
        publisher: Publisher,
        reader: ConsistentReader,
        sessions: SessionLookup,
        settings: Settings,
        clock: Clock,
    ) -> None:
        """A mark takes at most as long as a read and a write may wait: beyond it, SinkBehind."""
        self._publisher = publisher
        self._reader = reader
        self._sessions = sessions
        self._limits = settings.limits
        self._seconds = settings.reads.wait_seconds + settings.http.ack_timeout_seconds
        self._clock = clock

    async def mark(self, body: bytes, caller: str | None) -> tuple[Marked, Position]:
        """POST /session/irrelevant, asked by the key named `caller`.

        Returns once every view leaves the session out. Raises SessionNotFound or another
        RequestRefused (nothing was written), or Unavailable (it may be stored: send it again).
        """
        sent = parse_mark(body, self._limits)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._mark(sent, caller)
        except TimeoutError:
            raise SinkBehind(
                f"the mark was not visible after {self._seconds:g} s, and may be stored: send it"
                " again"
            ) from None

    async def _mark(self, sent: MarkBody, caller: str | None) -> tuple[Marked, Position]:
        session_id = sent.session_id
        await self._reader.find(session_id, lambda: self._sessions.find(session_id))
        record = mark_record(sent, caller, self._clock.now_ms())
        is_irrelevant: bool = record["is_irrelevant"]
        position = await self._publisher.publish(MARK, session_id, [record])
        # The table keeps the last word only; every word is in the topic, and here.
        _AUDIT.info(
            "session %r irrelevant=%s by=%s at=%s",
            *(session_id, is_irrelevant, caller or "anonymous", position),
        )
        await self._reader.wait_for([position])
        return Marked(session_id, is_irrelevant), position
