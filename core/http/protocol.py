"""`HttpProtocol`: every connection, with a short cut for hot POSTs.

The short cut is taken request by request, on every connection: a POST to a hot path with a
`Content-Length` becomes a `PostCycle` and is answered by its handler without ASGI. Everything else
becomes uvicorn's cycle and goes to the application. `BoundedProtocol` does the rest for both.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from time import perf_counter
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from core.errors import BodyTooLarge, BodyTooSlow, ClickstreamError, Overloaded
from core.http.bounded_protocol import CLOSE, DRAINED, BoundedProtocol
from core.http.open_connections import OpenConnections
from core.http.paths import right_to_post
from core.http.policies import RequestPolicies
from core.http.problem import is_expected, problem_of
from core.http.raw_post import Post, PostCycle
from core.http.raw_response import RawResponse
from core.http.request_id import REQUEST_ID
from core.settings import HttpSettings, Limits
from core.telemetry import count_request
from core.tracing import is_on, request_span

# As nginx logs it: the client has gone before its request was whole.
_HUNG_UP: Final = 499

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
        # Wrapped here, once: while tracing is off a request costs nothing more.
        wrap = _traced if is_on() else _as_it_is
        self.handlers = {path.encode(): (path, wrap(path, post)) for path, post in handlers.items()}
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


class HttpProtocol(BoundedProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None,
        shared: ProtocolFactory,
    ) -> None:
        super().__init__(
            config,
            server_state,
            app_state,
            _loop,
            shared.http,
            shared.limits,
            shared.connections,
        )
        self._handlers = shared.handlers
        self._in_flight = shared.policies.in_flight
        self._addresses = shared.policies.access.addresses
        # None where there is nothing to check: a request costs microseconds here.
        access, cors = shared.policies.access, shared.policies.cors
        self._access = None if access.is_idle else access
        self._cors = cors or None
        self._local = shared.policies.local
        self._task: asyncio.Task[None] | None = None

    # What the transport and the parser call.

    def connection_lost(self, exc: Exception | None) -> None:
        cycle: object = self.cycle
        if isinstance(cycle, PostCycle) and cycle.held is not None and cycle.more_body:
            self._release(cycle)
            _count(cycle, _HUNG_UP)
        super().connection_lost(exc)

    def on_body(self, body: bytes) -> None:
        cycle: Any = self.cycle
        if cycle.response_complete or not isinstance(cycle, PostCycle):
            super().on_body(body)
            return
        cycle.body = cycle.body + body if cycle.body else body
        if cycle.held is not None:
            try:
                cycle.held.grow(len(body))
            except Overloaded as error:
                self._end_body(cycle, error)

    def on_message_complete(self) -> None:
        cycle: Any = self.cycle
        if (
            cycle.response_complete
            or not isinstance(cycle, PostCycle)
            or self.parser.should_upgrade()
        ):
            super().on_message_complete()
            return
        cycle.more_body = False
        if cycle.held is not None:
            self._start(cycle)

    # A hot POST.

    def _begin(self, headers: dict[bytes, bytes]) -> None:
        found = self._handlers.get(self.url)
        if found is None or self.parser.get_method() != b"POST" or b"content-length" not in headers:
            super()._begin(headers)
            return
        # HTTP/1.0 keeps a connection only where the answer says so, too.
        keep_alive = self.parser.should_keep_alive() and self.parser.get_http_version() == "1.1"
        cycle = PostCycle(*found, headers, int(headers[b"content-length"]), keep_alive)
        current: Any = self.cycle
        self.cycle = cast("Any", cycle)
        if current is None or current.response_complete:
            self._admit(cycle)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cast("Any", cycle), self.app))

    def _begin_next(self, cycle: Any, app: Any) -> None:
        if isinstance(cycle, PostCycle):
            # Not from here: each would answer the next, as deep as there are requests.
            self.loop.call_soon(self._admit, cycle)
        else:
            super()._begin_next(cycle, app)

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
                key = self._access.authenticate(cycle.headers, right_to_post(cycle.path))
                if key is not None:
                    cycle.caller, cycle.sees_positions = key.name, key.sees_positions
                cycle.added += self._access.admit(key, cycle.headers, self._address)
            if cycle.size > self._limits.body_bytes:
                raise BodyTooLarge(
                    f"the body has {cycle.size} bytes, at most {self._limits.body_bytes} are taken"
                )
            client = self._addresses.of(self._address(), cycle.headers)
            cycle.held = self._in_flight.begin(client, cycle.size, len(cycle.body))
        except ClickstreamError as error:
            response = problem_of(error, cycle.request_id)
            _count(cycle, response.status)
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
                name = cycle.request_id.decode()
                _log.exception(
                    "POST %s failed (request %s)", cycle.path, name, extra={"request_id": name}
                )
            response = problem_of(error, cycle.request_id)
        finally:
            self._release(cycle)
        _count(cycle, response.status, perf_counter() - begun)
        self._answer(cycle, response)

    def _answer(self, cycle: PostCycle, response: RawResponse) -> None:
        cycle.response_complete = True
        if self.transport.is_closing():
            return
        # A client that was not told to continue may send its body, or may not.
        is_last = not cycle.keep_alive or (
            cycle.more_body
            and (cycle.expects_100 or cycle.size > DRAINED * self._limits.body_bytes)
        )
        added = (*cycle.added, (REQUEST_ID, cycle.request_id))
        if is_last:
            added = (*added, CLOSE)
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

    def _end_slow_body(self) -> None:
        cycle: Any = self.cycle
        if cycle.response_complete:
            super()._end_slow_body()
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
        _count(cycle, response.status)
        self._answer(cycle, response)


def _as_it_is(_path: str, handle: Post) -> Post:
    return handle


def _traced(path: str, handle: Post) -> Post:
    async def traced(headers: Mapping[bytes, bytes], body: bytes) -> RawResponse:
        with request_span("POST", path, headers):
            return await handle(headers, body)

    return traced


def _count(cycle: PostCycle, status: int, seconds: float | None = None) -> None:
    count_request(cycle.path, "POST", status, seconds, cycle.caller)
