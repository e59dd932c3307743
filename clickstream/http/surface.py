"""`Surface`: the outermost layer of every HTTP process. Counts requests, and lets no error out."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from functools import cache
from time import perf_counter

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clickstream.http.problem import is_expected, problem_of
from clickstream.telemetry import HTTP_REQUESTS, HTTP_SECONDS

ROUTE = "clickstream.route"
"""Where in the ASGI scope a hot path leaves the name under which its request is counted."""

_UNROUTED = "unrouted"  # one label for all, so that made-up paths cannot grow the metrics
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = logging.getLogger(__name__)


class Surface:
    """Wraps an application. An error that comes out of it is answered by a problem document;
    one in the middle of a response is raised on, so that the server breaks the connection and the
    client does not take half an answer for a whole one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        watched = _Watched(send)
        begun = perf_counter()
        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if not is_expected(error):
                _log.exception("%s %s failed", scope["method"], scope["path"])
            if watched.status == 0:
                await problem_of(error).send(watched)
            elif not watched.complete:
                raise
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            count(_route(scope), method, watched.status, perf_counter() - begun)


class _Watched:
    """`send`, remembering how far the response has come."""

    __slots__ = ("_send", "complete", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.complete = False

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
        return self._send(message)


def _route(scope: Scope) -> str:
    found = scope.get(ROUTE) or getattr(scope.get("route"), "path", None)
    return found if isinstance(found, str) else _UNROUTED


def count(route: str, method: str, status: int, seconds: float) -> None:
    """Count one answered request. Every name must come from a small set."""
    _requests(route, method, status).inc()
    _seconds(route).observe(seconds)


# Looking a child up by its labels costs more than counting; there are as many as there are labels.
@cache
def _requests(route: str, method: str, status: int) -> Counter:
    return HTTP_REQUESTS.labels(route, method, status)


@cache
def _seconds(route: str) -> Histogram:
    return HTTP_SECONDS.labels(route)
