"""GET /export/training."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api.cancellation import while_connected
from api.export import start_stream
from api.facts_progress import FactsProgress
from api.metrics.parameters import filters_of
from api.metrics.question import Filters
from api.metrics.route_parameters import EventType
from api.queries import CLICK
from api.read_your_writes import ConsistentReads, wait_for_position
from api.selection import SelectionParam
from api.store import Store
from api.training.export import TrainingExport
from api.training.formats import MEDIA_TYPES, TrainingFormat
from api.training.parameters import (
    FeaturesParam,
    SharesParam,
    TitleParam,
    parse_features,
    parse_path,
    parse_shares,
)
from api.training.question import Lists, Split, SplitBy
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
    training = TrainingExport(exports, settings.reads.query_seconds)
    slots = asyncio.Semaphore(MOST_FILES)
    selected = Depends(filters_of(settings.dimensions, UserIds.from_settings(settings)))
    variant_field = settings.variant_fields[0] if settings.variant_fields else ""

    @router.get("/training", summary="Training files of rankers", responses=_documented())
    async def export_training(
        request: Request,
        selection: SelectionParam,
        filters: Filters = selected,
        format: Annotated[
            TrainingFormat,
            Query(
                description="parquet and csv are the long table; libsvm has qid; lightgbm goes "
                "with lightgbm_query and lightgbm_position; qrels and run are TREC's, each list a "
                "query; triples and conversations are lines of JSON; clax goes with clax_pairs; "
                "account says what is in the files and what is not"
            ),
        ] = TrainingFormat.PARQUET,
        event_type: EventType = CLICK,
        features: FeaturesParam = "",
        title: TitleParam = "",
        split: Annotated[Split, Query(description="Only this part")] = Split.ALL,
        split_by: Annotated[
            SplitBy,
            Query(description="time: the latest lists are for testing; user, query: all of one"),
        ] = SplitBy.TIME,
        shares: SharesParam = "80,10",
    ) -> Response:
        """Whole lists in the order in which they were shown, with what was clicked.

        A list counts with all its results or not at all. By default without irrelevant sessions.
        """
        times = selection.times()
        lists = Lists(
            times=(int(times["from_ms"]), int(times["to_ms"])),
            relevance=selection.relevance.value,
            event_type=event_type,
            filters=filters,
            features=parse_features(features, format),
            title=parse_path("title", title),
            variant_field=variant_field,
            split_by=split_by,
            split=split,
            shares=parse_shares(shares),
        )
        if format is TrainingFormat.ACCOUNT:

            async def respond() -> Response:
                told = await training.account(lists)
                return Response(msgspec.json.encode(told), media_type="application/json")

            return await while_connected(request, respond())
        if slots.locked():
            raise TooManyExports("too many training files are written: try again later", 30)
        return await start_stream(_file(training, lists, format, slots), MEDIA_TYPES[format])

    return router


async def _file(
    training: TrainingExport, lists: Lists, format: TrainingFormat, slots: asyncio.Semaphore
) -> AsyncGenerator[bytes, None]:
    async with slots, aclosing(training.file(lists, format)) as parts:
        async for part in parts:
            yield part


def _documented() -> dict[int | str, dict[str, object]]:
    content = {
        media_type.partition(";")[0]: {"schema": {"type": "string"}}
        for media_type in sorted({*MEDIA_TYPES.values()})
    }
    content["application/json"] = {"schema": {"type": "object"}}  # the account
    return {200: {"description": "The file", "content": content}}
