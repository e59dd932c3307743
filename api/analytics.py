"""GET /analytics/…: the metrics that docs/metrics.md defines."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api import examples
from api.cancellation import while_connected
from api.facts_progress import FactsProgress
from api.queries import CLICK, OVERVIEW, POSITIONS, QUERIES
from api.read_your_writes import ConsistentReads, wait_for_position
from api.responses import Overview, Positions, Queries, Range
from api.selection import Selection, SelectionParam
from api.store import Store
from core.http.openapi import response_docs
from core.http.query_parameters import known_parameters_only
from core.settings import Settings

EventType = Annotated[
    str,
    Query(min_length=1, max_length=512, description="The type of event that counts as a click"),
]


class Order(StrEnum):
    """The column by which queries are sorted."""

    SESSIONS = "sessions"
    CLICKS = "clicks"
    ZERO_RESULT_RATE = "zero_result_rate"
    CLICK_THROUGH_RATE = "click_through_rate"
    MEAN_RECIPROCAL_RANK = "mean_reciprocal_rank"


OrderBy = Annotated[Order, Query(description="What to sort by, largest first")]


def analytics_router(
    store: Store, reads: ConsistentReads, facts: FactsProgress, settings: Settings
) -> APIRouter:
    """The three routes. A query that takes longer than `reads.query_seconds` is a 503."""
    router = APIRouter(
        prefix="/analytics",
        tags=["read"],
        dependencies=[
            Depends(known_parameters_only),
            Depends(wait_for_position(reads, facts)),
        ],
    )
    seconds = settings.reads.query_seconds

    @router.get(
        "/overview",
        summary="Overview",
        responses=response_docs(Overview, examples.OVERVIEW),
    )
    async def analytics_overview(
        request: Request, selection: SelectionParam, event_type: EventType = CLICK
    ) -> Response:
        async def respond() -> Response:
            (counted,) = await store.rows(
                OVERVIEW, seconds, **selection.times(), event_type=event_type
            )
            over = _range(selection, event_type)
            return _json_response(Overview(**msgspec.structs.asdict(counted), range=over))

        return await while_connected(request, respond())

    @router.get(
        "/queries",
        summary="Queries",
        responses=response_docs(Queries, examples.QUERIES),
    )
    async def analytics_queries(
        request: Request,
        selection: SelectionParam,
        event_type: EventType = CLICK,
        order: OrderBy = Order.SESSIONS,
        ascending: bool = Query(False, description="Smallest first"),
        min_sessions: int = Query(
            1, ge=1, le=10**9, description="Omit queries with fewer sessions"
        ),
        limit: int = Query(20, ge=1, le=1_000, description="Most queries to return"),
    ) -> Response:
        async def respond() -> Response:
            rows = await store.rows(
                QUERIES,
                seconds,
                **selection.times(),
                event_type=event_type,
                order=order.value,
                direction=1 if ascending else -1,
                min_sessions=min_sessions,
                limit=limit,
            )
            return _json_response(Queries(_range(selection, event_type), rows))

        return await while_connected(request, respond())

    @router.get(
        "/positions",
        summary="Positions",
        responses=response_docs(Positions, examples.POSITIONS),
    )
    async def analytics_positions(
        request: Request,
        selection: SelectionParam,
        event_type: EventType = CLICK,
        limit: int = Query(50, ge=1, le=10_000, description="Number of positions, from the top"),
    ) -> Response:
        async def respond() -> Response:
            rows = await store.rows(
                POSITIONS, seconds, **selection.times(), event_type=event_type, limit=limit
            )
            return _json_response(Positions(_range(selection, event_type), rows))

        return await while_connected(request, respond())

    return router


def _range(selection: Selection, event_type: str) -> Range:
    return Range(selection.from_ms, selection.to_ms, selection.relevance.value, event_type)


def _json_response(shape: Overview | Queries | Positions) -> Response:
    return Response(msgspec.json.encode(shape), media_type="application/json")
