"""`Component`: the write side or the read side of the HTTP API, as one process serves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from fastapi import APIRouter

from core.http.raw_post import Post


class Component(Protocol):
    """The write side or the read side. `build_app` makes one application of one or several.

    A constructor opens nothing: connections are made in `start`, on the event loop that will serve.
    """

    @property
    def name(self) -> str:
        """One word for logs and readiness reasons: `write`, `read`."""
        ...

    def routers(self) -> Sequence[APIRouter]:
        """Its routes, without a prefix; called once, before `start`.

        `build_app` mounts them at the root and under `/api/v1/clickstream`, and puts the access
        check in front: the write keys for POST, the read keys for GET. Handlers raise errors of
        `core.errors`; nothing else is needed for the right problem document.
        """
        ...

    async def start(self) -> None:
        """Open connections. Called once. A server that is down is no reason to raise or to wait
        long: start anyway, say so in `ready`, and keep trying in the background."""
        ...

    async def stop(self) -> None:
        """Close what `start` opened, within seconds; also after a `start` that raised."""
        ...

    async def ready(self) -> Sequence[str]:
        """Why it cannot do its work now, one sentence each; empty when it can. For `/readyz`.

        Answers within two seconds, or is counted as not ready; never raises for a server that is
        down. The reasons name no address: everybody may read them. Asked once a second at most.
        """
        ...


@runtime_checkable
class HasPages(Protocol):
    """A component with pages for people."""

    def pages(self) -> APIRouter:
        """Routes that need no key: they show nothing that is stored. Called once."""
        ...


@runtime_checkable
class HandlesRawPosts(Protocol):
    """A component with POST paths that can be answered without ASGI."""

    def raw_post_handlers(self) -> Mapping[str, Post]:
        """By path. Each answers as the route of its path does. The write right is checked before it
        is called."""
        ...


@runtime_checkable
class HasStreams(Protocol):
    """A component with responses that do not end by themselves."""

    def end_streams(self) -> None:
        """End them, within a second or two: the server is about to stop. Called once, on the event
        loop, before `stop`."""
        ...
