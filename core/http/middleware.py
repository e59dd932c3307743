"""`MetricsAndErrors`: the outermost middleware of every HTTP process.

It counts requests, bounds how many are in flight, adds the headers that every response has, and
answers errors by problem documents.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.http import scope_keys
from core.http.admission import InFlight
from core.http.cors import is_preflight
from core.http.head_request import HeadOnly
from core.http.headers import by_name
from core.http.html_headers import with_html_security_headers
from core.http.policies import RequestPolicies
from core.http.problem import is_expected, problem_of
from core.http.raw_response import NOSNIFF, Header, without_position
from core.http.request_id import REQUEST_ID, request_id_of
from core.http.scope_keys import ADDED_HEADERS, SEES_POSITIONS
from core.telemetry import NO_KEY, count_request
from core.tracing import request_span

_UNROUTED = "unrouted"  # one label for all, so that made-up paths cannot grow the metrics
# A cache may keep answers to these on its own judgement: a 404, too, which is true for now alone.
_STORABLE = frozenset({"GET", "HEAD"})
_NO_STORE: Header = (b"cache-control", b"no-store")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# What orchestrators and prometheus ask is answered in an overload, too: it says that there is one.
HEALTH_PATHS = frozenset({"/livez", "/readyz", "/metrics"})

_log = logging.getLogger(__name__)


class MetricsAndErrors:
    """Wraps an application. Answers its errors by problem documents.

    An error in the middle of a response is raised again: the server then breaks the connection, and
    the client does not take half a response for a whole one.
    """

    def __init__(self, app: ASGIApp, policies: RequestPolicies) -> None:
        self._app = app
        self._policies = policies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = by_name(scope["headers"])
        method = scope["method"]
        scope = _as_routed(scope)
        if method == "HEAD":
            head = HeadOnly(receive, send)
            receive, send = head.receive, head.send
        request_id = request_id_of(headers)
        scope[scope_keys.REQUEST_ID] = request_id
        added = [
            NOSNIFF,
            (REQUEST_ID, request_id),
            *self._policies.cors.headers(headers.get(b"origin")),
        ]
        scope[ADDED_HEADERS] = added
        watched = _Watched(send, added, scope)
        begun = perf_counter()
        try:
            if self._policies.local is not None:
                self._policies.local.check(headers)
            if self._policies.cors and is_preflight(scope["method"], headers):
                await self._policies.cors.preflight(headers).send(watched)
            elif scope["path"] in HEALTH_PATHS:
                await self._app(scope, receive, watched)
            else:
                with (
                    self._begin(scope, headers) as in_flight,
                    request_span(method, scope["path"], headers),
                ):
                    await self._app(scope, _Metered(receive, in_flight), watched)
        except Exception as error:
            if not is_expected(error):
                name = request_id.decode()
                _log.exception(
                    "%s %s failed (request %s)",
                    *(method, scope["path"], name),
                    extra={"request_id": name},
                )
            if watched.status == 0:
                await problem_of(error, request_id).send(watched)
            elif not watched.complete:
                raise
        finally:
            label = method if method in _METHODS else "other"
            seconds = perf_counter() - begun
            key = scope.get(scope_keys.CALLER) or NO_KEY
            count_request(_route(scope), label, watched.status, seconds, key)

    def _begin(self, scope: Scope, headers: Mapping[bytes, bytes]) -> InFlight:
        peer = scope.get("client")
        client = self._policies.access.addresses.of(peer[0] if peer else "", headers)
        return self._policies.in_flight.begin(client, int(headers.get(b"content-length", b"0")))


class _Watched:
    """`send`, adding headers and remembering how far the response has come."""

    __slots__ = ("_added", "_scope", "_send", "complete", "status")

    def __init__(self, send: Send, added: list[Header], scope: Scope) -> None:
        self._scope = scope
        self._send = send
        self._added = added
        self.status = 0
        self.complete = False

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message["headers"], *self._added]
            if self._scope["method"] in _STORABLE and not any(
                name == b"cache-control" for name, _ in headers
            ):
                headers.append(_NO_STORE)
            if not self._scope.get(SEES_POSITIONS, True):
                headers = [*without_position(headers)]
            message = {**message, "headers": with_html_security_headers(headers)}
        elif message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
        return self._send(message)


class _Metered:
    """`receive` that counts what comes as in flight. Raises Overloaded when that is too much."""

    __slots__ = ("_in_flight", "_receive")

    def __init__(self, receive: Receive, in_flight: InFlight) -> None:
        self._receive = receive
        self._in_flight = in_flight

    async def __call__(self) -> Message:
        message = await self._receive()
        if body := message.get("body"):
            self._in_flight.grow(len(body))
        return message


def _as_routed(scope: Scope) -> Scope:
    """The path is matched as it was sent: `%2F` is no slash, and no path ends in a line break that
    a pattern overlooks. Only what a route reads out of its path is decoded, by the route."""
    raw: bytes | None = scope.get("raw_path")
    path = scope["path"] if raw is None else raw.decode("latin-1")
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return {**scope, "path": path, "method": method}


def _route(scope: Scope) -> str:
    found = getattr(scope.get("route"), "path", None)
    return found if isinstance(found, str) else _UNROUTED
