"""`/` and `/console/…`: the page and its parts, all of it served from here.

No key is needed: the page shows nothing that is stored. What it asks the API for needs the read key
that a person enters.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from core.http.html_headers import policy

SamplePosts = Callable[[], Iterable[Mapping[str, Any]]]
"""Makes the posts of the sample data, in their order: each has a path and a body."""

# Scripts and styles are files of ours: nothing that was posted can become one.
_PAGE_POLICY: Final = policy(inline_styles=False)
_TYPES: Final = {"js": "text/javascript", "css": "text/css", "html": "text/html"}
_FILES: Final = tuple(
    sorted(file.name for file in files("api.console.static").iterdir() if file.is_file())
)


class Server(msgspec.Struct, frozen=True):
    """What this process can do for the page."""

    version: str
    can_write: bool
    has_sample: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """A file as it is sent."""

    content: bytes
    zipped: bytes
    tag: str
    media_type: str


def console_router(*, can_write: bool, sample: SamplePosts | None) -> APIRouter:
    """The page; `can_write`: this process takes posts too. Not in the OpenAPI document."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page(request: Request) -> Response:
        return _response(request, "index.html", {"content-security-policy": _PAGE_POLICY})

    @router.get("/console/server.json")
    async def server() -> Response:
        told = Server(version("clickstream"), can_write, sample is not None)
        return Response(msgspec.json.encode(told), media_type="application/json")

    if sample is not None:
        _add_sample(router, sample)
    for name in _FILES:
        if name != "index.html":
            _add_part(router, name)
    return router


def _add_sample(router: APIRouter, sample: SamplePosts) -> None:
    @router.get("/console/sample.ndjson")
    async def sample_posts() -> Response:
        lines = await run_in_threadpool(lambda: list(map(msgspec.json.encode, sample())))
        return Response(b"\n".join(lines), media_type="application/x-ndjson")


def _add_part(router: APIRouter, name: str) -> None:
    @router.get(f"/console/{name}")
    async def part(request: Request) -> Response:
        return _response(request, name, {})


def _response(request: Request, name: str, headers: Mapping[str, str]) -> Response:
    part = _part(name)
    # A browser asks each time whether it is still the same: the parts of two releases never mix.
    sent = {"cache-control": "no-cache", "etag": part.tag, "vary": "accept-encoding", **headers}
    if request.headers.get("if-none-match") == part.tag:
        return Response(status_code=304, headers=sent)
    content = part.content
    if "gzip" in request.headers.get("accept-encoding", ""):
        content, sent["content-encoding"] = part.zipped, "gzip"
    return Response(content, media_type=part.media_type, headers=sent)


@cache
def _part(name: str) -> _Part:
    content = files("api.console.static").joinpath(name).read_bytes()
    return _Part(
        content,
        gzip.compress(content, mtime=0),
        f'"{hashlib.sha256(content).hexdigest()[:16]}"',
        _TYPES[name.rpartition(".")[2]],
    )
