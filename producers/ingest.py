"""Body → records → Kafka: the one way in for sessions and events."""

from __future__ import annotations

from msgspec import Struct

from core.clock import Clock
from core.consistency.position import Position
from core.settings import Limits
from core.user_ids import UserIds
from producers.publisher import Publisher
from producers.records import event_records, session_record
from producers.validation import parse_events, parse_session
from schemas.contracts import EVENT, SESSION


class Accepted(Struct, frozen=True):
    """Durable in Kafka: `accepted` is the number of records that the request held."""

    session_id: str
    accepted: int


class Ingest:
    """Both methods return once everything is durable. They raise RequestRefused (nothing was
    written) or Unavailable (the outcome is unknown: send it again)."""

    def __init__(
        self, publisher: Publisher, limits: Limits, clock: Clock, user_ids: UserIds
    ) -> None:
        self._publisher = publisher
        self._limits = limits
        self._clock = clock
        self._pseudonymize = user_ids.pseudonymize if user_ids.enabled else None

    async def session(self, body: bytes) -> tuple[Accepted, Position]:
        """POST /session."""
        sent = parse_session(body, self._limits)
        record = session_record(sent, self._clock.now_ms())
        if self._pseudonymize is not None and sent.user_id is not None:
            record["user_id"] = self._pseudonymize(sent.user_id)
        position = await self._publisher.publish(SESSION, sent.session_id, [record])
        return Accepted(sent.session_id, 1), position

    async def events(self, body: bytes) -> tuple[Accepted, Position]:
        """POST /session/events."""
        sent = parse_events(body, self._limits)
        records = event_records(sent, self._clock.now_ms())
        position = await self._publisher.publish(EVENT, sent.session_id, records)
        return Accepted(sent.session_id, len(records)), position
