"""`FastPostProtocol`: small POSTs to a few paths, answered without ASGI.

It handles one non-pipelined HTTP/1.1 POST at a time, of at most 128 KiB. Anything else (another
path, a head in pieces, a larger body, pipelining, HTTP/1.0, a parse error) moves the connection,
with the bytes of that request, to `BoundedHttpToolsProtocol` for good. The application answers the
same paths in the same way there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from core.errors import Overloaded
from core.http.access import Right
from core.http.bounded_protocol import BoundedHttpToolsProtocol, hang_up
from core.http.cors import Cors
from core.http.policies import RequestPolicies
from core.http.problem import is_expected, problem_of
from core.http.raw_response import Header, RawResponse
from core.settings import HttpSettings
from core.telemetry import count_request

Post = Callable[[Mapping[bytes, bytes], bytes], Awaitable[RawResponse]]
"""Headers (lower-case names) and the whole body → the response, or an error of `core.errors`.
Checks media type and size itself; the write right is checked before it is called."""

# A larger request, bytes, is left to `BoundedHttpToolsProtocol`, which pauses reading.
_MOST_BYTES: Final = 128 * 1024
# So is one whose body is not complete after so many seconds.
_BODY_SECONDS: Final = 1.0

# How long a connection that is turned away may go on sending what nobody reads.
_LINGER_SECONDS: Final = 0.5

_UNUSUAL: Final = (b"transfer-encoding", b"expect", b"upgrade")

_log = logging.getLogger(__name__)


class ProtocolFactory:
    """Makes the protocol of every connection: uvicorn's `http` option."""

    def __init__(
        self, posts: Mapping[str, Post], policies: RequestPolicies, bounds: HttpSettings
    ) -> None:
        self._posts = {path.encode(): (path, post) for path, post in posts.items()}
        self._policies = policies
        self._bounds = bounds

    def __call__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> FastPostProtocol:
        def full() -> BoundedHttpToolsProtocol:
            return BoundedHttpToolsProtocol(config, server_state, app_state, _loop, self._bounds)

        return FastPostProtocol(self._posts, self._policies, self._bounds, server_state, full)


class FastPostProtocol(asyncio.Protocol):
    """One connection, from its start to its first unusual request. One request at a time."""

    def __init__(
        self,
        posts: Mapping[bytes, tuple[str, Post]],
        policies: RequestPolicies,
        bounds: HttpSettings,
        server_state: ServerState,
        full: Callable[[], BoundedHttpToolsProtocol],
    ) -> None:
        self._posts = posts
        # None where there is nothing to check: a request costs microseconds here.
        self._access = None if policies.access.is_idle else policies.access
        self._cors = policies.cors or None
        self._in_flight = policies.in_flight
        self._bounds = bounds
        self._state = server_state
        # The server calls `shutdown` and `enforce_timeouts` on these. uvicorn's type of the set
        # names its own protocols alone.
        self._connections = cast("set[asyncio.Protocol]", server_state.connections)
        self._full = full
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._task: asyncio.Task[None] | None = None
        self._queued: list[bytes] = []
        self._is_ending = False
        self._unread_since: float | None = None
        self._begin()

    def _begin(self) -> None:
        self._since = self._loop.time()
        self._request_bytes = b""
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body = b""
        self._post: tuple[str, Post] | None = None
        self._messages_begun = self._messages_complete = 0

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if len(self._connections) >= self._bounds.connections:
            self._turn_away()
            return
        self._connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._task is not None:
            self._queued.append(data)
            self._transport.pause_reading()
            return
        self._request_bytes = self._request_bytes + data if self._request_bytes else data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._hand_over()
            return
        size = len(self._request_bytes)
        if (
            self._post is None
            or self._messages_begun > 1
            or size > _MOST_BYTES
            or size - len(self._body) > self._bounds.head_bytes
        ):
            self._hand_over()
        elif self._messages_complete:
            self._start(*self._post)
        elif size == len(data):
            # A part of the body is missing; `enforce_timeouts` waits for it.
            self._since = self._loop.time()

    def pause_writing(self) -> None:
        """A client that does not read its responses is not read from."""
        self._unread_since = self._loop.time()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._unread_since = None
        self._transport.resume_reading()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._messages_begun += 1

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        parser = self._parser
        if (
            parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not any(name in self._headers for name in _UNUSUAL)
        ):
            self._post = self._posts.get(self._url)

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        self._messages_complete += 1

    # What the server calls.

    def enforce_timeouts(self, now: float) -> None:
        """Called every second or so; `now` is the event loop's time."""
        if self._unread_since is not None:
            if now - self._unread_since > self._bounds.write_seconds:
                self._transport.abort()
        elif self._task is not None:
            return
        elif self._request_bytes and now - self._since > _BODY_SECONDS:
            self._hand_over()
        elif now - self._since > self._bounds.idle_seconds:
            hang_up(self._transport)

    def shutdown(self) -> None:
        """Finish what is under way, and hang up."""
        self._is_ending = True
        if self._task is None:
            self._transport.close()

    def _turn_away(self) -> None:
        """Refuse the connection, without waiting for its request.

        Read on for a moment: a client that is still sending when we close sees a broken pipe
        instead of the response.
        """
        error = Overloaded(f"{len(self._connections)} connections are open: try again in a moment")
        self._is_ending = True
        self._transport.write(self._bytes(problem_of(error), ()))
        self._transport.set_protocol(asyncio.Protocol())
        self._loop.call_later(_LINGER_SECONDS, self._transport.abort)

    def _hand_over(self) -> None:
        self._connections.discard(self)
        full = self._full()
        full.connection_made(self._transport)
        self._transport.set_protocol(full)
        full.data_received(self._request_bytes)

    def _start(self, path: str, post: Post) -> None:
        size = len(self._request_bytes)
        try:
            self._in_flight.begin(size)
        except Overloaded as error:
            response = problem_of(error)
            count_request(path, "POST", response.status, 0.0)
            self._finish(response, () if self._cors is None else self._cors_headers(self._cors))
            return
        self._task = self._loop.create_task(self._respond(path, post, size))

    async def _respond(self, path: str, post: Post, size: int) -> None:
        begun = perf_counter()
        added = () if self._cors is None else self._cors_headers(self._cors)
        try:
            if self._access is not None:
                added += self._access.check_raw(self._headers, Right.WRITE, self._address)
            response = await post(self._headers, self._body)
        except Exception as error:
            if not is_expected(error):
                _log.exception("POST %s failed", path)
            response = problem_of(error)
        finally:
            self._in_flight.end(size)
        count_request(path, "POST", response.status, perf_counter() - begun)
        if not self._transport.is_closing():
            self._finish(response, added)

    def _cors_headers(self, cors: Cors) -> tuple[Header, ...]:
        return cors.headers(self._headers.get(b"origin"))

    def _address(self) -> str:
        peer = self._transport.get_extra_info("peername")
        return peer[0] if isinstance(peer, tuple) else ""

    def _finish(self, response: RawResponse, added: tuple[Header, ...]) -> None:
        self._transport.write(self._bytes(response, added))
        if self._is_ending:
            self._transport.close()
            return
        self._task = None
        self._begin()
        if self._queued:
            data = b"".join(self._queued)
            self._queued.clear()
            self._transport.resume_reading()
            self.data_received(data)

    def _bytes(self, response: RawResponse, added: tuple[Header, ...]) -> bytes:
        if self._is_ending:
            added = (*added, (b"connection", b"close"))
        return response.http((*self._state.default_headers, *added))
