"""Paths are taken as they are sent, and HEAD is answered as GET."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from api.erase import Erased, erase_router
from core.http.app import build_app
from core.settings import Settings
from tests.local_client import LocalClient

SETTINGS = Settings(_env_file=None)


class Routes:
    """A component with a route that erases and one that never ends."""

    name = "test"

    def __init__(self) -> None:
        self.erased: list[str] = []
        self.chunks = 0
        self.is_closed = False

    def routers(self) -> list[APIRouter]:
        router = APIRouter()

        @router.get("/stream")
        async def stream() -> Response:
            return StreamingResponse(self._chunks(), headers={"x-more": "yes"})

        def erase(user_id: str, _: str | None) -> Erased:
            self.erased.append(user_id)
            return Erased("", 0, 0, {}, 0, 0, [], 0.0)

        return [router, erase_router(erase)]

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                self.chunks += 1
                await asyncio.sleep(0.001)
        finally:
            self.is_closed = True

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def ready(self) -> list[str]:
        return []


@pytest.mark.parametrize(
    "user", ["v", "v\n", "a\nb", "\r\nv", "%0A", "a%2Fb", "a/b", "/users/x", "ünï c", " v ", "\x00"]
)
def test_an_erasure_is_of_exactly_the_user_that_was_named(user: str) -> None:
    routes = Routes()
    with LocalClient(build_app(SETTINGS, [routes])) as client:
        for prefix in ("", "/api/v1/clickstream"):
            assert client.delete(f"{prefix}/users/{quote(user, safe='')}").status_code == 200
    assert routes.erased == [user, user]


@pytest.mark.parametrize("path", ["", "%20", "%E3%80%80", "%0A", "%FF", "x" * 513])
def test_nobody_is_erased_by_what_is_no_id(path: str) -> None:
    routes = Routes()
    with LocalClient(build_app(SETTINGS, [routes])) as client:
        assert client.delete(f"/users/{path}").status_code == 422
    assert routes.erased == []


@pytest.mark.parametrize(
    "path", ["/readyz%0A", "/metrics%0A", "/docs%0A", "/%6Civez", "/livez%2F", "/stream%0a"]
)
def test_a_path_that_only_decodes_to_a_route_is_a_404(path: str) -> None:
    with LocalClient(build_app(SETTINGS, [Routes()])) as client:
        assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/docs", "/openapi.json"])
def test_head_is_get_without_a_body(path: str) -> None:
    with LocalClient(build_app(SETTINGS, [Routes()])) as client:
        whole, head = client.get(path), client.head(path)
    assert head.content == b""
    assert head.status_code == whole.status_code == 200
    assert head.headers["content-type"] == whole.headers["content-type"]
    if path != "/metrics":
        assert head.headers["content-length"] == whole.headers["content-length"]


def test_head_of_a_stream_ends_the_stream() -> None:
    routes = Routes()
    with LocalClient(build_app(SETTINGS, [routes])) as client:
        head = client.head("/stream")
    assert (head.status_code, head.headers["x-more"], head.content) == (200, "yes", b"")
    assert routes.is_closed
    assert routes.chunks < 100


def test_head_of_what_has_no_get_is_refused() -> None:
    with LocalClient(build_app(SETTINGS, [Routes()])) as client:
        head = client.head("/users/x")
        assert head.status_code == 405
        assert client.post("/stream").headers["allow"] == "GET, HEAD"
