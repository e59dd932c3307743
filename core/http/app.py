"""`build_app`: components → one ASGI application.

From the outside in: `MetricsAndErrors`, and FastAPI with the components' routes (at the root and
under the prefix of embedding_studio's API) and the health routes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from operator import attrgetter

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from core.http import problem
from core.http.access import Access
from core.http.admission import InFlightLimit
from core.http.component import Component, HandlesRawPosts, HasPages, HasStreams
from core.http.docs import docs_router
from core.http.health import health_router
from core.http.middleware import MetricsAndErrors
from core.http.openapi import DocumentedApp, problems
from core.http.paths import PREFIX
from core.http.policies import RequestPolicies
from core.http.raw_post import Post
from core.http.readiness import Readiness
from core.settings import Settings
from core.telemetry import (
    HTTP_BYTES_IN_FLIGHT,
    HTTP_IN_FLIGHT,
    NO_KEY,
    begin_at_zero,
    registry_of,
)

__all__ = ["PREFIX", "Application", "Component", "build_app"]

# What is alarmed at, and what it is compared with. Others begin with the first of their kind.
_STATUSES = (200, 401, 422, 429, 500, 503)

_DESCRIPTION = "Search clickstream: what was searched, what was shown, what was done."


class Application:
    """An ASGI application and the components that live in it."""

    def __init__(self, components: Sequence[Component], policies: RequestPolicies) -> None:
        self.components = tuple(components)
        self.policies = policies
        self.readiness = Readiness(components)
        self._serve: ASGIApp = MetricsAndErrors(self._fastapi(policies.access), policies)

    def raw_post_handlers(self) -> Mapping[str, Post]:
        """The POST handlers of all components that need no ASGI, by path."""
        each = [
            component.raw_post_handlers()
            for component in self.components
            if isinstance(component, HandlesRawPosts)
        ]
        return {path: post for handlers in each for path, post in handlers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send)

    def end_streams(self) -> None:
        """End the responses that would not end by themselves."""
        for component in self.components:
            if isinstance(component, HasStreams):
                component.end_streams()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the components, in order; stop them in reverse, also when one would not start.

        `core.http.server` enters this around serving. Under another server the ASGI
        lifespan does.
        """
        async with AsyncExitStack() as stack:
            for component in self.components:
                stack.push_async_callback(component.stop)
                await component.start()
            yield

    def _fastapi(self, access: Access) -> FastAPI:
        app = DocumentedApp(
            title="clickstream",
            description=_DESCRIPTION,
            version=version("clickstream"),
            lifespan=self._lifespan,
            docs_url=None,  # FastAPI's loads its scripts from elsewhere
            redoc_url=None,
            generate_unique_id_function=attrgetter("name"),  # the handler's: `create_session`
            redirect_slashes=False,  # to a host that the caller has named
        )
        problem.install(app)
        problem.begin_at_zero()
        _show_in_flight(self.policies.in_flight)
        guarded = [Depends(access.require_route)]
        for component in self.components:
            for router in component.routers():
                _begin_at_zero(router, access)
                app.include_router(router, dependencies=guarded, responses=problems())
                app.include_router(
                    router, prefix=PREFIX, dependencies=guarded, include_in_schema=False
                )
        registry = registry_of(component.name for component in self.components)
        app.include_router(health_router(self.readiness, access, registry))
        for component in self.components:
            if isinstance(component, HasPages):
                app.include_router(component.pages())
        app.include_router(docs_router())
        return app

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        async with self.running():
            yield


def _show_in_flight(in_flight: InFlightLimit) -> None:
    HTTP_IN_FLIGHT.set_function(lambda: in_flight.requests)
    HTTP_BYTES_IN_FLIGHT.set_function(lambda: in_flight.bytes)


def _begin_at_zero(router: APIRouter, access: Access) -> None:
    for route in router.routes:
        if isinstance(route, APIRoute):
            for method in route.methods or ():
                for key in (NO_KEY, *access.callers(method, route.path)):
                    begin_at_zero(route.path, method, _STATUSES, key)


def build_app(settings: Settings, components: Sequence[Component]) -> Application:
    """The application that has these components. Opens nothing before it runs.

    Raises SetupError for a key or an origin that cannot be understood.
    """
    return Application(components, RequestPolicies.from_settings(settings))
