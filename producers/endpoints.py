"""The three POST endpoints: headers and a whole body in, `RawResponse` out."""

from __future__ import annotations

import sys
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from functools import partial

import msgspec

from core.consistency.position import POSITION_HEADER, Position
from core.http.admission import InFlightLimit
from core.http.raw_response import RawResponse
from core.settings import Settings
from producers.body import check_body
from producers.content_coding import unpack
from producers.ingest import Ingest
from producers.mark import Marker

_JSON = (b"content-type", b"application/json")
_POSITION = POSITION_HEADER.lower().encode()

Write = Callable[[bytes], Awaitable[tuple[msgspec.Struct, Position]]]
"""The JSON text of a body → what is answered, and how far it went into Kafka."""


class Endpoints:
    """Each method takes a request that the access check has let through, with header names in lower
    case. It returns the answer to a success and raises all else as an error of `core.errors`."""

    def __init__(
        self, ingest: Ingest, marker: Marker, settings: Settings, large_bodies: Executor
    ) -> None:
        self._ingest = ingest
        self._marker = marker
        self._limits = settings.limits
        self._large_bodies = large_bodies
        # What little can be unpacked to: it lives as long as its request, as the body does.
        self._unpacked = InFlightLimit(sys.maxsize, settings.http.bytes_in_flight)

    async def post_session(self, headers: Mapping[bytes, bytes], body: bytes) -> RawResponse:
        """POST /session."""
        return await self._respond(headers, body, self._ingest.session, takes_text=True)

    async def post_events(self, headers: Mapping[bytes, bytes], body: bytes) -> RawResponse:
        """POST /session/events."""
        return await self._respond(headers, body, self._ingest.events, takes_text=True)

    async def post_mark(
        self, headers: Mapping[bytes, bytes], body: bytes, caller: str | None
    ) -> RawResponse:
        """POST /session/irrelevant, asked by the key named `caller`."""
        mark = partial(self._marker.mark, caller=caller)
        return await self._respond(headers, body, mark, takes_text=False)

    async def _respond(
        self, headers: Mapping[bytes, bytes], body: bytes, write: Write, *, takes_text: bool
    ) -> RawResponse:
        check_body(headers, body, self._limits, takes_text=takes_text)
        coding = headers.get(b"content-encoding")
        if coding is None:
            return _success(*await write(body.removeprefix(BOM_UTF8)))
        with self._unpacked.begin() as held:
            text = await unpack(coding, body, self._limits.body_bytes, self._large_bodies)
            held.grow(len(text))
            return _success(*await write(text.removeprefix(BOM_UTF8)))


def _success(content: msgspec.Struct, position: Position) -> RawResponse:
    """As `RawResponse.of`, which is too general to be quick."""
    body = msgspec.json.encode(content)
    length = (b"content-length", b"%d" % len(body))
    return RawResponse(200, (_JSON, length, (_POSITION, str(position).encode())), body)
