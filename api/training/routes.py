"""GET /export/training."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from api.cancellation import while_connected
from api.facts_progress import FactsProgress
from api.metrics.parameters import filters_of
from api.queries import FIRST_BYTE_SECONDS
from api.read_your_writes import ConsistentReads, wait_for_position
from api.store import Store
from api.streams import start_stream
from api.training.asked import AskedFile, asked_file
from api.training.export import TrainingExport
from api.training.formats import MEDIA_TYPES, TrainingFormat
from api.training.question import Lists
from core.errors import TooManyExports
from core.http.query_parameters import known_parameters_only
from core.settings import Settings
from core.user_ids import UserIds

MOST_FILES = 2
"""At a time."""


def training_router(
    exports: Store, reads: ConsistentReads, facts: FactsProgress, settings: Settings
) -> APIRouter:
    """The route. An error in mid-stream closes the connection before the response ends."""
    router = APIRouter(
        prefix="/export",
        tags=["read"],
        dependencies=[Depends(known_parameters_only), Depends(wait_for_position(reads, facts))],
    )
    files = _Files(TrainingExport(exports, FIRST_BYTE_SECONDS))
    selected = Depends(filters_of(settings.dimensions, UserIds.from_settings(settings)))
    parsed = Depends(asked_file(selected, next(iter(settings.variant_fields), "")))

    @router.get("/training", summary="Training files of rankers", responses=_documented())
    async def export_training(request: Request, asked: AskedFile = parsed) -> Response:
        """Whole lists in the order in which they were shown, with what was clicked.

        A list counts with all its results or not at all. By default without irrelevant sessions.
        """
        if asked.format is TrainingFormat.ACCOUNT:
            return await while_connected(request, files.account(asked.lists))
        return await while_connected(request, files.respond(asked))

    return router


class _Files:
    """Writes some files at a time."""

    def __init__(self, training: TrainingExport) -> None:
        self._training = training
        self._slots = asyncio.Semaphore(MOST_FILES)

    async def account(self, lists: Lists) -> Response:
        told = await self._training.account(lists)
        return Response(msgspec.json.encode(told), media_type="application/json")

    async def respond(self, asked: AskedFile) -> Response:
        """Raises TooManyExports."""
        if self._slots.locked():
            raise TooManyExports("too many training files are written: try again later", 30)
        return await start_stream(self._file(asked), MEDIA_TYPES[asked.format])

    async def _file(self, asked: AskedFile) -> AsyncGenerator[bytes, None]:
        async with (
            self._slots,
            aclosing(self._training.file(asked.lists, asked.format)) as parts,
        ):
            async for part in parts:
                yield part


def _documented() -> dict[int | str, dict[str, object]]:
    content = {
        media_type.partition(";")[0]: {"schema": {"type": "string"}}
        for media_type in sorted({*MEDIA_TYPES.values()})
    }
    content["application/json"] = {"schema": {"type": "object"}}  # the account
    return {200: {"description": "The file", "content": content}}
