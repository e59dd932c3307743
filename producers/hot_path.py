"""The two hot endpoints in front of FastAPI's router, whose machinery costs three times their work.

Everything else, also a wrong method on these paths, goes on to FastAPI.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import ClickstreamError, Disconnected
from core.http.access import Access, Right
from core.http.problem import is_expected, problem_of
from core.http.scope_keys import ROUTE
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
            self._access.check_asgi(scope, Right.WRITE)
            answer = await endpoint(scope, receive)
        except Disconnected:
            return
        except ClickstreamError as error:
            if not is_expected(error):
                raise
            answer = problem_of(error)
        await answer.send(send)
