"""`HttpProtocol`: one connection. uvicorn's own protocol, with strict framing, bounds on slow and
large clients, and a short cut for hot POSTs.

The short cut is taken request by request, on every connection: a POST to a hot path with a
`Content-Length` becomes a `PostCycle` and is answered by its handler without ASGI. Everything else
becomes uvicorn's cycle and goes to the application. Reading, pipelining, back-pressure and shutdown
are uvicorn's for both.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from time import perf_counter
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from core.errors import (
    BodyTooLarge,
    BodyTooSlow,
    ClickstreamError,
    HeadTooLarge,
    MalformedRequest,
    Overloaded,
    RequestRefused,
    TransferCodingUnknown,
    UrlTooLong,
)
from core.http.open_connections import OpenConnections
from core.http.paths import right_to_post
from core.http.policies import RequestPolicies
from core.http.problem import is_expected, problem_of
from core.http.raw_post import Post, PostCycle
from core.http.raw_response import Header, RawResponse
from core.http.request_id import REQUEST_ID, request_id_of
from core.settings import HttpSettings, Limits
from core.telemetry import HTTP_CONNECTIONS_REFUSED, count_request

# A request is refused before its body is here. Up to this many times the largest body is read and
# thrown away, so that the connection can go on; a client that announces more is told that the
# connection ends.
_DRAINED: Final = 4

# How long a client that is hung up on may go on sending what nobody reads, seconds: closed at once,
# the kernel would answer its bytes by a reset, and the refusal would be lost.
_LINGER_SECONDS: Final = 1.0
# Refused connections that are told why, at a time. Each is an open file for a moment; beyond this
# they are cut off.
_MOST_REFUSED: Final = 128

# As nginx logs it: the client has gone before its request was whole.
_HUNG_UP: Final = 499

_CLOSE: Final[Header] = (b"connection", b"close")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

_log = logging.getLogger(__name__)


class ProtocolFactory:
    """Makes the protocol of every connection: uvicorn's `http` option."""

    def __init__(
        self,
        handlers: Mapping[str, Post],
        policies: RequestPolicies,
        http: HttpSettings,
        limits: Limits,
    ) -> None:
        self.handlers = {path.encode(): (path, handle) for path, handle in handlers.items()}
        self.policies = policies
        self.http = http
        self.limits = limits
        self.connections = OpenConnections(http, policies.access.addresses)

    def __call__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> HttpProtocol:
        return HttpProtocol(config, server_state, app_state, _loop, self)


class HttpProtocol(HttpToolsProtocol):
    """One connection. The server calls `enforce_timeouts` every second or so."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None,
        shared: ProtocolFactory,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._handlers = shared.handlers
        self._bounds = shared.http
        self._limits = shared.limits
        self._in_flight = shared.policies.in_flight
        self._addresses = shared.policies.access.addresses
        self._open = shared.connections
        self._counted: str | None = None  # the client as which this connection is counted
        # None where there is nothing to check: a request costs microseconds here.
        access, cors = shared.policies.access, shared.policies.cors
        self._access = None if access.is_idle else access
        self._cors = cors or None
        self._local = shared.policies.local
        self._task: asyncio.Task[None] | None = None
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
        self._body_since: float | None = None  # a hot POST waits for its body, or one is drained
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
        cycle: object = self.cycle
        if self._counted is not None:
            self._open.end(self._counted)
        if isinstance(cycle, PostCycle) and cycle.held is not None and cycle.more_body:
            self._release(cycle)
            count_request(cycle.path, "POST", _HUNG_UP, None)
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
        headers = dict(self.headers)
        version = self.parser.get_http_version()
        if (b"host" not in headers and version == "1.1") or len(headers) < len(self.headers):
            self._check_host(version)
        if (coding := headers.get(b"transfer-encoding")) is not None:
            self._check_coding(coding, version)
        found = self._handlers.get(self.url)
        if found is None or self.parser.get_method() != b"POST" or b"content-length" not in headers:
            self._begin_request(headers)
        else:
            keep_alive = version == "1.1" and self.parser.should_keep_alive()
            self._begin_post(
                PostCycle(*found, headers, int(headers[b"content-length"]), keep_alive)
            )

    def on_body(self, body: bytes) -> None:
        cycle: Any = self.cycle
        if cycle.response_complete:
            self._drained_bytes += len(body)
            if self._drained_bytes > _DRAINED * self._limits.body_bytes:
                self._hang_up_slowly()
        elif isinstance(cycle, PostCycle):
            cycle.body = cycle.body + body if cycle.body else body
            if cycle.held is not None:
                try:
                    cycle.held.grow(len(body))
                except Overloaded as error:
                    self._end_body(cycle, error)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # its body, if it has one, comes after `_decline_upgrade`
        cycle: Any = self.cycle
        if cycle.response_complete:
            cycle.more_body = False
            self._drained_bytes = 0
            self._body_since = None
            self._idle_since = self.loop.time()
        elif isinstance(cycle, PostCycle):
            cycle.more_body = False
            if cycle.held is not None:
                self._start(cycle)
        else:
            super().on_message_complete()

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
            elif isinstance(cycle, PostCycle):
                # Not from here: each would answer the next, as deep as there are requests.
                self.loop.call_soon(self._admit, cycle)
            else:
                self._start_asgi_task(cycle, app)
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

    # A request for the application.

    def _begin_request(self, headers: dict[bytes, bytes]) -> None:
        self._check_target()
        url, parsed = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers.extend(parsed)
        self.expect_100_continue = headers.get(b"expect", b"").lower() == b"100-continue"
        super().on_headers_complete()
        announced = int(headers.get(b"content-length", b"0"))
        if self.expect_100_continue or announced > _DRAINED * self._limits.body_bytes:
            self.cycle.keep_alive = False
            self.cycle.transport = cast("asyncio.Transport", _SlowlyClosed(self))

    # A hot POST.

    def _begin_post(self, cycle: PostCycle) -> None:
        current: Any = self.cycle
        self.cycle = cast("Any", cycle)
        if current is None or current.response_complete:
            self._admit(cycle)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cast("Any", cycle), self.app))

    def _admit(self, cycle: PostCycle) -> None:
        """Check what can be checked without the body; then wait for the body, or begin."""
        if self.transport.is_closing():
            return
        try:
            if self._local is not None:
                self._local.check(cycle.headers)
            if self._cors is not None:
                cycle.added = self._cors.headers(cycle.headers.get(b"origin"))
            if self._access is not None:
                right = right_to_post(cycle.path)
                cycle.sees_positions, limit = self._access.check_raw(
                    cycle.headers, right, self._address
                )
                cycle.added += limit
            if cycle.size > self._limits.body_bytes:
                raise BodyTooLarge(
                    f"the body has {cycle.size} bytes, at most {self._limits.body_bytes} are taken"
                )
            client = self._addresses.of(self._address(), cycle.headers)
            cycle.held = self._in_flight.begin(client, cycle.size, len(cycle.body))
        except ClickstreamError as error:
            response = problem_of(error, cycle.request_id)
            count_request(cycle.path, "POST", response.status, None)
            self._answer(cycle, response)
            return
        if not cycle.more_body:
            self._start(cycle)
            return
        self._body_since = self.loop.time()
        if cycle.expects_100 and not cycle.body:
            self.transport.write(_CONTINUE)

    def _start(self, cycle: PostCycle) -> None:
        self._body_since = None
        self._task = self.loop.create_task(self._respond(cycle))

    async def _respond(self, cycle: PostCycle) -> None:
        begun = perf_counter()
        try:
            if self.flow.write_paused:
                await self.flow.drain()
            response = await cycle.handle(cycle.headers, cycle.body)
            if not cycle.sees_positions:
                response = response.without_position()
        except Exception as error:
            if not is_expected(error):
                _log.exception("POST %s failed (request %s)", cycle.path, cycle.request_id.decode())
            response = problem_of(error, cycle.request_id)
        finally:
            self._release(cycle)
        count_request(cycle.path, "POST", response.status, perf_counter() - begun)
        self._answer(cycle, response)

    def _answer(self, cycle: PostCycle, response: RawResponse) -> None:
        cycle.response_complete = True
        if self.transport.is_closing():
            return
        # A client that was not told to continue may send its body, or may not.
        is_last = not cycle.keep_alive or (
            cycle.more_body
            and (cycle.expects_100 or cycle.size > _DRAINED * self._limits.body_bytes)
        )
        added = (*cycle.added, (REQUEST_ID, cycle.request_id))
        if is_last:
            added = (*added, _CLOSE)
        self.transport.write(response.http((*self.server_state.default_headers, *added)))
        if not is_last:
            self.on_response_complete()
        elif cycle.more_body:
            self._hang_up_slowly()
        else:
            self.transport.close()

    def _release(self, cycle: PostCycle) -> None:
        if cycle.held is not None:
            cycle.held.end()
            cycle.held = None

    # Refusals, and the end of a connection.

    def _check_host(self, version: str) -> None:
        """RFC 9112, 3.2: one Host, or none in HTTP/1.0."""
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and version == "1.1"):
            raise self._stop(MalformedRequest("a request has one Host header (RFC 9112, 3.2)"))

    def _check_target(self) -> None:
        """RFC 9112, 3.2: a path, or a URL with one. Hot POSTs have a path that is known."""
        if self.parser.get_method() == b"CONNECT":
            raise self._stop(
                MalformedRequest("CONNECT asks a proxy for a tunnel, and this process is no proxy")
            )
        try:
            path = httptools.parse_url(self.url).path
        except httptools.HttpParserInvalidURLError:
            path = None
        if path is None or not path.isascii():
            raise self._stop(
                MalformedRequest(
                    "after the method comes a path such as /session, or a URL with one, in ASCII"
                )
            )

    def _check_coding(self, coding: bytes, version: str) -> None:
        """RFC 9112, 6.1: what is not undone here must not be taken for the body itself."""
        if version != "1.1":
            raise self._stop(MalformedRequest("HTTP/1.0 has no Transfer-Encoding"))
        if coding.strip().lower() != b"chunked":
            said = coding.decode("latin-1")[:100]
            raise self._stop(TransferCodingUnknown(f"Transfer-Encoding {said}: send chunked"))

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
            if (
                not isinstance(cycle, PostCycle)
                and cycle.response_started
                and not cycle.response_complete
            ):
                # A part of its answer is out: what is written now would be taken for more of it.
                self.transport.close()
                return
        request_id = request_id_of(dict(self.headers or ()))
        added = (*self.server_state.default_headers, (REQUEST_ID, request_id), _CLOSE)
        response = problem_of(error, request_id)
        count_request("unrouted", "other", response.status, None)
        self.transport.write(response.http(added))
        self._hang_up_slowly()

    def _end_slow_body(self) -> None:
        cycle: Any = self.cycle
        self._body_since = None
        if cycle.response_complete:
            self._hang_up_slowly()
            return
        cycle.keep_alive = False
        self._end_body(
            cycle,
            BodyTooSlow(
                f"the body was not here after {self._limits.body_seconds:g} s: send it again"
            ),
        )

    def _end_body(self, cycle: PostCycle, error: ClickstreamError) -> None:
        """Answer a hot POST of which a part is here."""
        self._body_since = None
        self._release(cycle)
        cycle.body = b""
        response = problem_of(error, cycle.request_id)
        count_request(cycle.path, "POST", response.status, None)
        self._answer(cycle, response)

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
        framing = b"".join(
            b"%b: %b\r\n" % header
            for header in self.headers
            if header[0] in (b"content-length", b"transfer-encoding")
        )
        self.data_received(b"POST / HTTP/1.1\r\n" + framing + b"\r\n")
        if rest:
            self.data_received(rest)

    def _too_large_a_head(self) -> HeadTooLarge:
        return HeadTooLarge(f"request line and headers may have {self._bounds.head_bytes} bytes")

    def _address(self) -> str:
        return self.client[0] if self.client else ""


class _SlowlyClosed:
    """The transport of a cycle whose client is still sending when it is answered."""

    def __init__(self, protocol: HttpProtocol) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        self._protocol._hang_up_slowly()


def _is_over(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since > seconds
