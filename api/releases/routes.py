"""POST /releases, GET /releases/…: make, list, show, download, retire."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Body, Depends, Path, Request, Response

from api.read_your_writes import ConsistentReads, wait_for_position
from api.releases import examples
from api.releases.making import Makings, being_made
from api.releases.manifest import ReleaseFile, check_name
from api.releases.parameters import NewRelease, order_of
from api.releases.service import Release, ReleaseService
from core.errors import ReleaseNotFound
from core.http.file_response import FixedFile, file_response
from core.http.query_parameters import known_parameters_only
from core.http.scope_keys import CALLER
from core.settings import Settings

WAIT_SECONDS: Final = 20.0
"""For a release to be whole, before the answer is 202."""

_PARQUET: Final = "application/vnd.apache.parquet"

NameParam = Annotated[str, Path(description="Name of a release")]


def releases_router(
    service: ReleaseService, makings: Makings, reads: ConsistentReads, settings: Settings
) -> APIRouter:
    """The routes. Making and retiring need an admin key, everything else a read key."""
    router = APIRouter(tags=["releases"], dependencies=[Depends(known_parameters_only)])

    @router.post(
        "/releases",
        summary="Make a release",
        status_code=201,
        dependencies=[Depends(wait_for_position(reads))],
        responses=_made(),
    )
    async def make_release(request: Request, asked: Annotated[NewRelease, Body()]) -> Response:
        """Freeze the sessions that are stored now, with their lists and events, under a name.

        201: it is whole. 202: it takes longer; GET /releases/{name} says when it is whole, and in
        this process why it could not be made. Every write that is named in `Clickstream-Position`
        is in it. Sessions that are marked irrelevant are not.
        """
        order = order_of(asked, settings.dimensions)
        await asyncio.to_thread(lambda: service.storage)
        make = partial(service.create, asked.name, order, request.scope.get(CALLER))
        making = await makings.start(asked.name, make, WAIT_SECONDS)
        location = {"location": f"/releases/{asked.name}"}
        if making is not None:
            return _json(making, 202, location)
        release = await asyncio.to_thread(service.release, asked.name)
        return _json(release.as_dict(), 201, location)

    @router.get("/releases", summary="List releases", responses=_documented(examples.LIST))
    async def list_releases() -> Response:
        """Every release, without its files."""

        def found() -> list[dict[str, Any]]:
            return [_short(service.release(name)) for name in service.names()]

        return _json({"releases": await asyncio.to_thread(found)})

    @router.get(
        "/releases/{name}", summary="Show a release", responses=_documented(examples.RELEASE)
    )
    async def show_release(name: NameParam) -> Response:
        """The manifest: what was asked for, the watermark, what is in it and what is not, every
        file with its SHA-256, and which files are superseded since, and why."""
        check_name("path.name", name)
        making = makings.told(name)
        if making is None and await asyncio.to_thread(service.is_being_made, name):
            making = being_made(name)  # by another process
        if making is not None:
            return _json(making)
        release = await asyncio.to_thread(service.release, name)
        return _json(release.as_dict())

    @router.get(
        "/releases/{name}/files/{file}",
        summary="Download a file of a release",
        responses={
            200: {"content": {_PARQUET: {"schema": {"type": "string", "format": "binary"}}}},
            206: {"description": "The range that was asked for"},
            410: {"description": "The file is superseded, or the release retired"},
        },
    )
    async def download(request: Request, name: NameParam, file: str) -> Response:
        """The same bytes at every call; `ETag` is their SHA-256. HEAD, `Range` and `If-None-Match`
        work as in RFC 9110, for readers that load a URL in parts."""
        check_name("path.name", name)
        found = await asyncio.to_thread(service.file, name, file)
        manifest = (await asyncio.to_thread(service.release, name)).manifest
        return file_response(request, _fixed(service, name, found, manifest.made_at_ms))

    @router.delete(
        "/releases/{name}", summary="Retire a release", responses=_documented(examples.RELEASE)
    )
    async def retire(name: NameParam) -> Response:
        """Delete its files. The manifest stays, and so does the name."""
        check_name("path.name", name)
        release = await asyncio.to_thread(service.retire, name)
        return _json(release.as_dict())

    return router


def _fixed(service: ReleaseService, name: str, file: ReleaseFile, made_at_ms: int) -> FixedFile:
    def opened() -> Any:
        try:
            return service.storage.open(f"{name}/{file.name}")
        except FileNotFoundError:
            raise ReleaseNotFound(f"{file.name} is missing in the storage of releases") from None

    return FixedFile(
        open=opened,
        name=file.name,
        size=file.bytes,
        sha256=file.sha256,
        modified_ms=made_at_ms,
        media_type=_PARQUET,
    )


def _short(release: Release) -> dict[str, Any]:
    content = release.as_dict()
    kept = ("name", "state", "made_at_ms", "made_by", "counts", "order", "retired_at_ms")
    return {
        **{name: content[name] for name in kept},
        "files": len(release.manifest.files),
        "superseded_files": len(release.superseded),
        "bytes": sum(file.bytes for file in release.manifest.files),
    }


def _json(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, "application/json")


def _documented(example: object) -> dict[int | str, dict[str, Any]]:
    content = {"application/json": {"schema": {"type": "object"}, "example": example}}
    return {200: {"description": "Successful Response", "content": content}}


def _made() -> dict[int | str, dict[str, Any]]:
    content = {"application/json": {"schema": {"type": "object"}, "example": examples.RELEASE}}
    return {
        201: {"description": "It is whole", "content": content},
        202: {"description": "It is being made"},
        409: {"description": "The name is taken, or as many releases as allowed are kept"},
    }
