"""`BoundedHttpToolsProtocol`: uvicorn's protocol, with the bounds that uvicorn leaves to a proxy.

They are how large the head of a request may be, and how slow its client.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from core.errors import HeadTooLarge, MalformedRequest, RequestRefused, UrlTooLong
from core.http.problem import problem_of
from core.settings import HttpSettings

_UPGRADE: Final = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


def hang_up(transport: asyncio.Transport) -> None:
    """Close, without waiting for a client that does not read what was sent."""
    if transport.get_write_buffer_size():
        transport.abort()
    else:
        transport.close()


class BoundedHttpToolsProtocol(HttpToolsProtocol):
    """uvicorn's protocol. `enforce_timeouts` is to be called every second or so."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None,
        bounds: HttpSettings,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = bounds
        self._idle_since: float | None = None  # no request is under way
        self._head_since: float | None = None  # one has begun, and its headers are not all here
        self._unread_since: float | None = None  # the client leaves more than a buffer unread
        self._closing_since: float | None = None
        self._head_bytes = 0  # of what the parser has made of the head
        self._raw_bytes = 0  # of what it may still hold back
        self._refusal: RequestRefused | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._idle_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        if self._idle_since is not None or self._head_since is not None:
            self._raw_bytes += len(data)
            data = _without_upgrade(data)
        super().data_received(data)
        if self._head_since is not None and self._raw_bytes > self._bounds.head_bytes:
            self._refuse(self._too_large())

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn when the parser stops, also at one of our bounds."""
        self._refuse(self._refusal or MalformedRequest(msg))

    def _refuse(self, error: RequestRefused) -> None:
        """Answer with a problem document, and hang up."""
        if self.transport.is_closing():
            return
        headers = [*self.server_state.default_headers, (b"connection", b"close")]
        self.transport.write(problem_of(error).http(headers))
        self.transport.close()

    # What the parser calls. An error raised here stops it.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_since = self.loop.time()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._head_bytes += len(url)
        if len(self.url) > self._bounds.url_bytes:
            self._refusal = UrlTooLong(f"a URL may have {self._bounds.url_bytes} bytes")
            raise self._refusal

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > self._bounds.head_bytes:
            self._refusal = self._too_large()
            raise self._refusal

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head_since = self._idle_since = None
        self._raw_bytes = 0

    def on_response_complete(self) -> None:
        """Close if the response came before the end of the body: no next request follows."""
        super().on_response_complete()
        if self.cycle.response_complete:
            self._idle_since = self.loop.time()
            if self.cycle.more_body:
                self.transport.close()

    # What the transport calls.

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread_since = None

    # What the server calls.

    def enforce_timeouts(self, now: float) -> None:
        """Hang up on a client that is too slow; `now` is the event loop's time."""
        bounds = self._bounds
        if self.transport.is_closing():
            self._closing_since = self._closing_since or now
        if _is_over(self._closing_since, bounds.write_seconds, now) or _is_over(
            self._unread_since, bounds.write_seconds, now
        ):
            self.transport.abort()
        elif _is_over(self._head_since, bounds.head_seconds, now) or _is_over(
            self._idle_since, bounds.idle_seconds, now
        ):
            hang_up(self.transport)

    def _too_large(self) -> HeadTooLarge:
        return HeadTooLarge(f"request line and headers may have {self._bounds.head_bytes} bytes")


def _is_over(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since > seconds


def _without_upgrade(data: bytes) -> bytes:
    """The head without its Upgrade header: a server may ignore an upgrade (RFC 9110, 7.8).

    Java's client offers HTTP/2 on each new connection, and httptools takes a request with that
    header to have no body.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"", head) + end + rest if end else data
