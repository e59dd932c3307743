"""The three POST endpoints: request in, `RawResponse` out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.types import Receive, Scope

from core.consistency.position import POSITION_HEADER, Position
from core.http.raw_response import RawResponse
from core.http.scope_keys import CALLER
from core.settings import Limits
from producers.body import BodyReader
from producers.ingest import Ingest
from producers.mark import Marker

Endpoint = Callable[[Scope, Receive], Awaitable[RawResponse]]

_JSON = (b"content-type", b"application/json")
_POSITION = POSITION_HEADER.lower().encode()


class Endpoints:
    """Each method takes a request that the access check has let through, and returns the answer to
    a success; all else is raised, as an error of `core.errors` or as `Disconnected`."""

    def __init__(self, acceptor: Ingest, marker: Marker, limits: Limits) -> None:
        self._acceptor = acceptor
        self._marker = marker
        self._bodies = BodyReader(limits)

    async def create_session(self, scope: Scope, receive: Receive) -> RawResponse:
        """POST /session."""
        body = await self._bodies.read(dict(scope["headers"]), receive)
        return _success(*await self._acceptor.session(body))

    async def push_events(self, scope: Scope, receive: Receive) -> RawResponse:
        """POST /session/events."""
        body = await self._bodies.read(dict(scope["headers"]), receive)
        return _success(*await self._acceptor.events(body))

    async def post_session(self, headers: Mapping[bytes, bytes], body: bytes) -> RawResponse:
        """POST /session, of which everything has arrived."""
        self._bodies.check(headers, body)
        return _success(*await self._acceptor.session(body))

    async def post_events(self, headers: Mapping[bytes, bytes], body: bytes) -> RawResponse:
        """POST /session/events, of which everything has arrived."""
        self._bodies.check(headers, body)
        return _success(*await self._acceptor.events(body))

    async def mark_session_irrelevant(self, scope: Scope, receive: Receive) -> RawResponse:
        """POST /session/irrelevant."""
        body = await self._bodies.read(dict(scope["headers"]), receive)
        return _success(*await self._marker.mark(body, scope.get(CALLER)))


def _success(content: msgspec.Struct, position: Position) -> RawResponse:
    """As `RawResponse.of`, which is too general to be quick."""
    body = msgspec.json.encode(content)
    length = (b"content-length", b"%d" % len(body))
    return RawResponse(200, (_JSON, length, (_POSITION, str(position).encode())), body)
