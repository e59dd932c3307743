"""`BoundedProtocol`: uvicorn's protocol for one connection, with strict framing and with bounds on
slow and large clients. Reading, pipelining, back-pressure and shutdown are uvicorn's.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from core.errors import (
    ClickstreamError,
    HeadTooLarge,
    MalformedRequest,
    Overloaded,
    RequestRefused,
    UrlTooLong,
)
from core.http.framing import check_framing, check_target, head_without_upgrade
from core.http.headers import by_name
from core.http.open_connections import OpenConnections
from core.http.problem import problem_of
from core.http.raw_response import Header
from core.http.request_id import REQUEST_ID, request_id_of
from core.settings import HttpSettings, Limits
from core.telemetry import HTTP_CONNECTIONS_REFUSED, count_request

# A request is refused before its body is here. Up to this many times the largest body is read and
# thrown away, so that the connection can go on; a client that announces more is told that the
# connection ends.
DRAINED: Final = 4

# How long a client that is hung up on may go on sending what nobody reads, seconds: closed at once,
# the kernel would answer its bytes by a reset, and the refusal would be lost.
_LINGER_SECONDS: Final = 1.0
# Refused connections that are told why, at a time. Each is an open file for a moment; beyond this
# they are cut off.
_MOST_REFUSED: Final = 128

CLOSE: Final[Header] = (b"connection", b"close")


class BoundedProtocol(HttpToolsProtocol):
    """One connection. The server calls `enforce_timeouts` every second or so."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None,
        bounds: HttpSettings,
        limits: Limits,
        connections: OpenConnections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = bounds
        self._limits = limits
        self._open = connections
        self._counted: str | None = None  # the client as which this connection is counted
        self._refusal: ClickstreamError | None = None
        self._is_deaf = False  # what still comes is not parsed
        self._waits_for_client = False  # to read the last answer, before the next is made
        self._repeats_head = False  # the parser is shown a head that was handled before
        self._head_bytes = 0  # of what the parser has made of the head
        self._raw_bytes = 0  # of what it may still hold back
        self._drained_bytes = 0
        # Since when, by the event loop's clock, the connection is in a state that must not last.
        self._idle_since: float | None = None
        self._head_since: float | None = None
        self._body_since: float | None = None  # a body is waited for, and nobody else sees to it
        self._unread_since: float | None = None  # the client leaves more than a buffer unread
        self._closing_since: float | None = None

    # What the transport calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_since = self.loop.time()  # without a request it is not kept as long as with one
        try:
            self._counted = self._open.begin(self._address())
        except Overloaded as error:
            HTTP_CONNECTIONS_REFUSED.inc()
            if len(self.connections) - self._open.total > _MOST_REFUSED:
                transport.abort()
            else:
                self._refuse(error)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._counted is not None:
            self._open.end(self._counted)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        if self._idle_since is not None or self._head_since is not None:
            self._raw_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(self._refusal or MalformedRequest(f"this is not HTTP/1.1: {error}"))
        if self._head_since is not None and self._raw_bytes > self._bounds.head_bytes:
            self._refuse(self._too_large_a_head())

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client may end its side after its request, and still read the answer."""
        cycle: Any = self.cycle
        if cycle is None or cycle.more_body or cycle.response_complete:
            return False
        cycle.keep_alive = False
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread_since = None
        if self._waits_for_client:
            self._waits_for_client = False
            self._go_on()

    # What the parser calls. An error raised here stops it.

    def on_message_begin(self) -> None:
        if self._repeats_head:
            return
        self.url = b""
        self.headers = []
        self._head_since = self.loop.time()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        if self._repeats_head:
            return
        self.url += url
        self._head_bytes += len(url)
        if len(self.url) > self._bounds.url_bytes:
            raise self._stop(UrlTooLong(f"a URL may have {self._bounds.url_bytes} bytes"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._repeats_head:
            return
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > self._bounds.head_bytes:
            raise self._stop(self._too_large_a_head())
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._repeats_head:
            self._repeats_head = False
            return
        self._head_since = self._idle_since = None
        self._raw_bytes = 0
        if self._is_deaf or self.transport.is_closing():
            return  # nobody would be told what became of it
        headers = by_name(self.headers)
        try:
            check_framing(self.headers, headers, self.parser.get_http_version())
            self._begin(headers)
        except RequestRefused as error:
            raise self._stop(error) from None

    def on_body(self, body: bytes) -> None:
        if not self.cycle.response_complete:
            super().on_body(body)
            return
        self._drained_bytes += len(body)
        if self._drained_bytes > DRAINED * self._limits.body_bytes:
            self._hang_up_slowly()

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # its body, if it has one, comes after `_decline_upgrade`
        if not self.cycle.response_complete:
            super().on_message_complete()
            return
        self.cycle.more_body = False
        self._drained_bytes = 0
        self._body_since = None
        self._idle_since = self.loop.time()

    # What uvicorn's cycle and server call.

    def send_400_response(self, msg: str) -> None:
        self._refuse(MalformedRequest(msg))

    def on_response_complete(self) -> None:
        """The answer of a cycle is written: on to the next one that waits, or to the next read."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.write_paused:
            self._waits_for_client = True
            self.flow.pause_reading()
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self.transport.is_closing():
            return
        if len(self.pipeline) <= 1:
            self.flow.resume_reading()  # else each answer would let a whole read of requests in
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            if self._refusal is not None and cycle.more_body:
                self._refuse(self._refusal)  # the rest of it will never be read
            else:
                self._begin_next(cycle, app)
        elif self._refusal is not None:
            self._refuse(self._refusal)
        elif self.cycle.more_body:
            self._body_since = self.loop.time()
        else:
            self._idle_since = self.loop.time()

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
            self._hang_up()
        elif _is_over(self._body_since, self._limits.body_seconds, now):
            self._end_slow_body()

    # A request for the application. A subclass may have others.

    def _begin(self, headers: dict[bytes, bytes]) -> None:
        """A head is here. Raises RequestRefused."""
        check_target(self.parser.get_method(), self.url)
        url, parsed = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers.extend(parsed)
        self.expect_100_continue = headers.get(b"expect", b"").lower() == b"100-continue"
        super().on_headers_complete()
        announced = int(headers.get(b"content-length", b"0"))
        if self.expect_100_continue or announced > DRAINED * self._limits.body_bytes:
            self.cycle.keep_alive = False
            self.cycle.transport = cast("asyncio.Transport", _SlowlyClosed(self))

    def _begin_next(self, cycle: Any, app: Any) -> None:
        """A request that waited for the one before it."""
        self._start_asgi_task(cycle, app)

    # Refusals, and the end of a connection.

    def _stop(self, error: RequestRefused) -> RequestRefused:
        """To be raised in a callback of the parser, which forgets what it was."""
        self._refusal = error
        return error

    def _refuse(self, error: ClickstreamError) -> None:
        """Answer what the parser, or a bound, has stopped at, after what was asked before it; and
        hang up."""
        self._is_deaf = True
        self._refusal = error
        cycle: Any = self.cycle
        if self.pipeline or (
            cycle is not None and not cycle.response_complete and not cycle.more_body
        ):
            return  # `on_response_complete` comes back
        if self.transport.is_closing():
            return
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started and not cycle.response_complete:
                # A part of its answer is out: what is written now would be taken for more of it.
                self.transport.close()
                return
        request_id = request_id_of(by_name(self.headers or ()))
        added = (*self.server_state.default_headers, (REQUEST_ID, request_id), CLOSE)
        response = problem_of(error, request_id)
        count_request("unrouted", "other", response.status, None)
        self.transport.write(response.http(added))
        self._hang_up_slowly()

    def _end_slow_body(self) -> None:
        """The rest of a body that nobody wants does not come."""
        self._body_since = None
        self._hang_up_slowly()

    def _hang_up(self) -> None:
        """Close, without waiting for a client that does not read what was sent."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _hang_up_slowly(self) -> None:
        """End our side, and close when the client had a moment to see it."""
        if self.transport.is_closing():
            return
        self._is_deaf = True
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _decline_upgrade(self, rest: bytes) -> None:
        """Go on as if no upgrade had been offered (RFC 9110, 7.8).

        The parser takes a request with an upgrade to have no body, and what follows for the next
        request. So a new parser is shown a head with the same framing, and then the rest.
        """
        if self._is_deaf:
            return
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._repeats_head = True
        self.data_received(head_without_upgrade(self.headers))
        if rest:
            self.data_received(rest)

    def _too_large_a_head(self) -> HeadTooLarge:
        return HeadTooLarge(f"request line and headers may have {self._bounds.head_bytes} bytes")

    def _address(self) -> str:
        return self.client[0] if self.client else ""


class _SlowlyClosed:
    """The transport of a cycle whose client is still sending when it is answered."""

    def __init__(self, protocol: BoundedProtocol) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        self._protocol._hang_up_slowly()


def _is_over(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since > seconds
