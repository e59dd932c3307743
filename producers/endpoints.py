"""The three POST endpoints: headers and a whole body in, `RawResponse` out."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from core.consistency.position import POSITION_HEADER, Position
from core.http.raw_response import RawResponse
from core.settings import Limits
from producers.body import check_body
from producers.ingest import Ingest
from producers.mark import Marker

_JSON = (b"content-type", b"application/json")
_POSITION = POSITION_HEADER.lower().encode()


class Endpoints:
    """Each method takes a request that the access check has let through, with header names in lower
    case. It returns the answer to a success and raises all else as an error of `core.errors`."""

    def __init__(self, ingest: Ingest, marker: Marker, limits: Limits) -> None:
        self._ingest = ingest
        self._marker = marker
        self._limits = limits

    async def post_session(self, headers: Mapping[bytes, bytes], body: bytes) -> RawResponse:
        """POST /session."""
        check_body(headers, body, self._limits)
        return _success(*await self._ingest.session(body))

    async def post_events(self, headers: Mapping[bytes, bytes], body: bytes) -> RawResponse:
        """POST /session/events."""
        check_body(headers, body, self._limits)
        return _success(*await self._ingest.events(body))

    async def post_mark(
        self, headers: Mapping[bytes, bytes], body: bytes, caller: str | None
    ) -> RawResponse:
        """POST /session/irrelevant, asked by the key named `caller`."""
        check_body(headers, body, self._limits)
        return _success(*await self._marker.mark(body, caller))


def _success(content: msgspec.Struct, position: Position) -> RawResponse:
    """As `RawResponse.of`, which is too general to be quick."""
    body = msgspec.json.encode(content)
    length = (b"content-length", b"%d" % len(body))
    return RawResponse(200, (_JSON, length, (_POSITION, str(position).encode())), body)
