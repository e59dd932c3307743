"""GET /events/tail: the tail as server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api import examples
from api.events.log_follower import Follower
from api.events.outcomes import Outcomes
from api.events.reader import EventReader
from api.events.tail import tail
from api.events.tail_records import (
    MOST_PER_SECOND,
    USUAL_PER_SECOND,
    TailRecord,
    Wanted,
    parse_wanted,
)
from core.clock import Clock
from core.errors import Overloaded, TooManyRequests
from core.http.openapi import schema_of
from core.http.query_parameters import known_parameters_only
from core.http.scope_keys import CALLER
from core.settings import Settings
from core.telemetry import READ_TAILS
from core.user_ids import UserIds

MEDIA_TYPE: Final = "text/event-stream"

# Each has a consumer with some 4 MiB.
_MOST_TAILS: Final = 16
_RETRY_SECONDS: Final = 30
# A proxy commonly closes what is silent for 30 to 60 s.
_HEARTBEAT_SECONDS: Final = 10.0
# A browser connects again by itself when a stream ends; its key is checked again then.
_LONGEST_SECONDS: Final = 60 * 60
_BEGINNING: Final = b"retry: 3000\n: live\n\n"
_HEARTBEAT: Final = b":\n\n"

_HEADERS: Final = {
    # Without these, proxies gather a response, or compress it, before they pass it on.
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
}

NewFollower = Callable[[Wanted], Follower]


def tail_router(
    new_follower: NewFollower,
    events: EventReader,
    settings: Settings,
    clock: Clock,
    ending: asyncio.Event,
) -> APIRouter:
    """The route. When `ending` is set, all streams end."""
    router = APIRouter(tags=["read"], dependencies=[Depends(known_parameters_only)])
    slots = TailSlots(settings.reads.tails_per_key)
    user_ids = UserIds.from_settings(settings)

    @router.get("/events/tail", summary="Watch events as they come", responses=_responses())
    async def tail_events(
        request: Request,
        session_id: str | None = Query(None, min_length=1, description="Only of this session"),
        user_id: str | None = Query(
            None,
            min_length=1,
            description="Only of this user's sessions that are posted while the stream is open",
        ),
        event_type: Annotated[
            str | None,
            Query(min_length=1, description="Only events of these types, separated by commas"),
        ] = None,
        state: str = Query(
            "",
            description="Only these, separated by commas: accepted, joined, waiting, refused",
        ),
        per_second: int = Query(
            USUAL_PER_SECOND,
            ge=1,
            le=MOST_PER_SECOND,
            description="Most records that are shown in a second; what is left out is counted",
        ),
        seconds: int = Query(
            _LONGEST_SECONDS, ge=1, le=_LONGEST_SECONDS, description="End the stream after so long"
        ),
    ) -> Response:
        """A stream of server-sent events, which ends after an hour; a browser opens it again. Each
        has one JSON object: a record that was accepted, an event that was joined or waits, a dead
        letter.

        It is for watching: when more comes than is shown, `skipped` says how much. What became of
        an event is told within a second or so, and for two minutes. For an answer that is certain,
        ask /events/lookup.
        """
        users = () if user_id is None else user_ids.known_forms(user_id)
        states = state.split(",") if state else ()
        wanted = parse_wanted(states, session_id, users, event_type, per_second)
        free = slots.take(request.scope.get(CALLER))
        follower = new_follower(wanted)

        def end() -> None:
            follower.close()
            free()

        try:
            # Before the response begins: an error can still become a problem document.
            await follower.start()
        except BaseException:
            end()
            raise
        lines = tail(follower, Outcomes(events, clock), wanted, clock)
        ends_at = clock.monotonic() + seconds
        return EventStream(_as_events(lines, clock, ending, ends_at), end)

    return router


class TailSlots:
    """How many tails are open, of each key and of all."""

    def __init__(self, most_per_key: int) -> None:
        self._most_per_key = most_per_key
        self._open: Counter[str | None] = Counter()
        READ_TAILS.set_function(self._open.total)

    def take(self, key: str | None) -> Callable[[], None]:
        """Count one more; the result, called once, gives it back. Raises TooManyRequests for a key
        that has as many as it may, Overloaded when this process has."""
        if self._open[key] >= self._most_per_key:
            raise TooManyRequests(
                f"{self._open[key]} tails of this key are open, as many as it may have"
                " (CLICKSTREAM_READS__TAILS_PER_KEY): close one",
                _RETRY_SECONDS,
            )
        if self._open.total() >= _MOST_TAILS:
            raise Overloaded(
                f"{self._open.total()} tails are open, as many as one process serves",
                _RETRY_SECONDS,
            )
        self._open[key] += 1

        def free() -> None:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]

        return free


class EventStream(StreamingResponse):
    """A stream whose end, however it comes, calls `on_end`."""

    def __init__(self, content: AsyncGenerator[bytes, None], on_end: Callable[[], None]) -> None:
        super().__init__(content, media_type=MEDIA_TYPE, headers=_HEADERS)
        self._content = content
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._content):
                await super().__call__(scope, receive, send)
        finally:
            self._on_end()


async def _as_events(
    lines: AsyncGenerator[list[TailRecord], None],
    clock: Clock,
    ending: asyncio.Event,
    ends_at: float,
) -> AsyncGenerator[bytes, None]:
    yield _BEGINNING
    encode, spoke_at = msgspec.json.Encoder().encode, clock.monotonic()
    async with aclosing(lines):
        async for batch in lines:
            now = clock.monotonic()
            if batch:
                spoke_at = now
                # JSON has no line break outside of its strings, and none inside.
                yield b"".join(b"data: %b\n\n" % encode(line) for line in batch)
            elif now - spoke_at >= _HEARTBEAT_SECONDS:
                spoke_at = now
                yield _HEARTBEAT
            if ending.is_set() or now >= ends_at:
                return


def _responses() -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": schema_of(TailRecord), "example": examples.TAIL_RECORD}}
    return {200: {"description": "One JSON object in each event", "content": content}}
