"""`Outcomes`: what became of events that were accepted a moment ago."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from api.events.queries import WaitingRow
from api.events.reader import EventId, EventReader, Joined
from api.events.tail_records import TailRecord
from core.clock import Clock
from core.errors import Unavailable
from core.log_throttle import Throttle

# The first look, after which each waits twice as long as the one before; the last is after two
# minutes. A worker stores an event in a fraction of a second. Seconds.
_FIRST_SECONDS: Final = 0.7
_LAST_SECONDS: Final = 64.0
LOOK_SECONDS: Final = 1.0
"""Timeout of each of the three queries of a look, so that a stream ends in time while ClickHouse
hangs."""

# Time between two looks, and how many events each is for: few enough for a point read.
_PAUSE_SECONDS: Final = 0.5
_AT_ONCE: Final = 100
# Events that are watched. Beyond it the oldest are forgotten.
_MOST: Final = 2_000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watched:
    next_at: float
    pause: float
    is_waiting: bool = False


class Outcomes:
    """Of the events of one tail. Bounded; asks nothing while nothing is watched."""

    def __init__(self, events: EventReader, clock: Clock) -> None:
        self._events = events
        self._clock = clock
        self._watched: OrderedDict[EventId, _Watched] = OrderedDict()
        self._next_look = 0.0
        self._throttle = Throttle()

    def watch(self, id_: EventId) -> None:
        """Say what becomes of this event; one that is watched already is looked at anew."""
        next_at = self._clock.monotonic() + _FIRST_SECONDS
        self._watched[id_] = _Watched(next_at, _FIRST_SECONDS)
        if len(self._watched) > _MOST:
            self._watched.popitem(last=False)

    async def look(self) -> list[TailRecord]:
        """What has become known since the last call. While ClickHouse is away, that is nothing."""
        now = self._clock.monotonic()
        if now < self._next_look:
            return []
        due = [id_ for id_, watched in self._watched.items() if watched.next_at <= now][:_AT_ONCE]
        if not due:
            return []
        self._next_look = now + _PAUSE_SECONDS
        try:
            waiting = await self._events.waiting(due)  # before the joined ones: they move there
            joined = await self._events.joined(due)
        except Unavailable as error:
            if self._throttle.allows("look"):
                _log.warning("the tail does not know what became of events: %s", error)
            waiting, joined = {}, {}
        return self._news(due, waiting, joined, now)

    def _news(
        self,
        due: list[EventId],
        waiting: Mapping[EventId, WaitingRow],
        joined: Mapping[EventId, Joined],
        now: float,
    ) -> list[TailRecord]:
        news = []
        for id_ in due:
            watched = self._watched[id_]
            if id_ in joined:
                news.append(_joined(joined[id_], self._clock.now_ms()))
            elif id_ in waiting and not watched.is_waiting:
                watched.is_waiting = True
                news.append(_waiting(waiting[id_], self._clock.now_ms()))
            watched.pause *= 2
            watched.next_at = now + watched.pause
            if id_ in joined or watched.pause > _LAST_SECONDS:
                del self._watched[id_]
        return news


def _joined(found: Joined, at: int) -> TailRecord:
    event, search = found
    return TailRecord(
        "joined",
        at,
        "event",
        event.session_id,
        event.event_id,
        event.object_id,
        event.event_type,
        position=event.position or None,
        search_query=search.search_query,
        results=search.results,
    )


def _waiting(row: WaitingRow, at: int) -> TailRecord:
    return TailRecord(
        "waiting", at, "event", row.session_id, row.event_id, row.object_id, row.event_type
    )
