"""`RawResponse`: a whole HTTP response as data, for ASGI, for Starlette or as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final

from msgspec import Struct
from starlette.responses import Response
from starlette.types import Send

from core.consistency.position import POSITION_HEADER

Header = tuple[bytes, bytes]
"""In ASGI's form: the name in lower case."""

NOSNIFF: Final[Header] = (b"x-content-type-options", b"nosniff")
"""No browser may take a response for anything but what it says it is."""


class RawResponse(Struct, frozen=True):
    """Status, headers in ASGI's form (lower-case bytes) and body."""

    status: int
    headers: tuple[Header, ...]
    body: bytes

    @classmethod
    def of(
        cls, status: int, body: bytes, media_type: str, headers: Mapping[str, str] | None = None
    ) -> RawResponse:
        """A response with its content-type and content-length set; `headers` are added to them."""
        added = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in (headers or {}).items()
        ]
        return cls(
            status,
            (
                (b"content-type", media_type.encode("latin-1")),
                (b"content-length", str(len(body)).encode("latin-1")),
                *added,
            ),
            body,
        )

    def without_position(self) -> RawResponse:
        """The same for a caller who may not be told positions."""
        return RawResponse(self.status, without_position(self.headers), self.body)

    def http(self, added: Iterable[Header]) -> bytes:
        """As HTTP/1.1, with these headers and `NOSNIFF` added."""
        lines = b"".join([b"%b: %b\r\n" % header for header in (*self.headers, *added)])
        return b"%b%b\r\n%b" % (_BEGINNINGS[self.status], lines, self.body)

    async def send(self, send: Send) -> None:
        """As ASGI messages."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})

    def response(self) -> Response:
        """As Starlette's response."""
        response = Response(self.body, self.status)
        response.raw_headers = list(self.headers)
        return response


_POSITION: Final = POSITION_HEADER.lower().encode()


def without_position(headers: Iterable[Header]) -> tuple[Header, ...]:
    """The other headers."""
    return tuple(header for header in headers if header[0] != _POSITION)


_BEGINNINGS: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n%b: %b\r\n" % (status, status.phrase.encode(), *NOSNIFF)
    for status in HTTPStatus
}
