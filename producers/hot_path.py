"""The two hot endpoints in front of FastAPI's router, whose machinery costs three times their work.

Everything else, also a wrong method on these paths, goes on to FastAPI.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import ClickstreamError
from core.http.access import Access, Right
from core.http.middleware import ROUTE
from core.http.problem import is_expected, problem_of
from producers.body import Disconnected
from producers.endpoints import Endpoint


class HotPath:
    """An ASGI application: POSTs to `endpoints` (by path) are answered here, the rest by `app`."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint], access: Access) -> None:
        self._app = app
        self._endpoints = endpoints
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = None
        if scope["type"] == "http" and scope["method"] == "POST":
            endpoint = self._endpoints.get(scope["path"])
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        scope[ROUTE] = scope["path"]
        try:
            self._access.admit(scope, Right.WRITE)
            answer = await endpoint(scope, receive)
        except ClickstreamError as error:
            if not is_expected(error):
                raise
            answer = problem_of(error)
        except Disconnected:
            return
        await answer.send(send)
