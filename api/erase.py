"""DELETE /users/{id}: erases all data of a user; the response proves that none is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec
from fastapi import APIRouter, Depends, Path, Response
from starlette.requests import Request

from core.errors import FieldError, InvalidRequest, Overloaded
from core.http.openapi import response_docs
from core.http.query_parameters import known_parameters_only
from core.http.scope_keys import CALLER
from core.ids import check_id

_BUSY_SECONDS = 5
_USERS: Final = b"/users/"


class Erased(msgspec.Struct, frozen=True):
    """What an erasure did. `deleted`: rows that this run deleted, by table. `left`: rows that
    remain, always 0. `release_files`: files of releases that it deleted. `user_hash`: the user's
    name in the audit trail."""

    user_hash: str
    cut_off: int
    sessions: int
    deleted: dict[str, int]
    left: int
    release_files: int
    kept: list[str]
    seconds: float


Eraser = Callable[[str, str | None], Erased]
"""User id and name of the caller's key → what was erased. Blocks. Raises an Unavailable when it
cannot end in time; the next call for this user goes on from there."""

_EXAMPLE = {
    "user_hash": "3a8cf1f1e0d2a5a8fd0bb1b24bb1b8f3d5d9a0f6c8f2f0a7f4bb5c6f0c0e7c55",
    "cut_off": 1701012345678,
    "sessions": 2,
    "deleted": {"events": 7, "sessions": 2},
    "left": 0,
    "release_files": 0,
    "kept": [],
    "seconds": 0.8,
}


def erase_router(erase: Eraser) -> APIRouter:
    """The route. Access control requires an admin key for every DELETE."""
    router = APIRouter(tags=["admin"], dependencies=[Depends(known_parameters_only)])
    # One at a time: each holds a thread, and the second would only wait for the first.
    busy = asyncio.Lock()

    @router.delete(
        "/users/{user_id:path}",
        summary="Erase a user",
        responses=response_docs(Erased, _EXAMPLE),
    )
    async def erase_user(
        request: Request,
        user_id: str = Path(description="As it was posted, percent-encoded"),
    ) -> Response:
        """Delete all data of this user posted before this request, from every table, view, read and
        export, for good. 200: no row is left. 503 with Retry-After: repeat the request, and the
        erasure goes on from there. Erasing a user without data is a success too.
        """
        user_id = _named_in(request)
        if busy.locked():
            raise Overloaded("another erasure is under way: try again", retry_after=_BUSY_SECONDS)
        async with busy:
            erased = await asyncio.to_thread(erase, user_id, request.scope.get(CALLER))
        return Response(msgspec.json.encode(erased), media_type="application/json")

    return router


def _named_in(request: Request) -> str:
    """The user whom the path names, whatever characters the id has. Raises InvalidRequest."""
    raw: bytes = request.scope["raw_path"]
    try:
        user_id = unquote_to_bytes(raw.partition(_USERS)[2]).decode()
    except UnicodeDecodeError:
        raise InvalidRequest([FieldError("path.user_id", "is not UTF-8")]) from None
    check_id("path.user_id", user_id)
    return user_id
