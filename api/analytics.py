"""GET /analytics/…: the numbers that docs/metrics.md defines."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Response

from api import examples
from api.answers import Overview, Positions, Queries, Range
from api.freshness import Certainty, caught_up
from api.measures import overview, position_statistics, query_statistics
from api.queries import CLICK, OVERVIEW, POSITIONS, QUERIES
from api.selection import Selected, Selection
from api.store import Store
from core.http.openapi import response_docs
from core.settings import Settings

EventType = Annotated[
    str,
    Query(min_length=1, max_length=512, description="The type of event that counts as a click"),
]


class Order(StrEnum):
    """What query texts are sorted by."""

    SESSIONS = "sessions"
    CLICKS = "clicks"
    ZERO_RESULT_RATE = "zero_result_rate"
    CLICK_THROUGH_RATE = "click_through_rate"
    MEAN_RECIPROCAL_RANK = "mean_reciprocal_rank"


OrderBy = Annotated[Order, Query(description="What to sort by, largest first")]


def analytics_router(store: Store, certainty: Certainty, settings: Settings) -> APIRouter:
    """The three routes. A query that takes longer than `reads.query_seconds` is a 503."""
    router = APIRouter(
        prefix="/analytics", tags=["read"], dependencies=[Depends(caught_up(certainty))]
    )
    seconds = settings.reads.query_seconds

    @router.get(
        "/overview",
        summary="The whole in numbers",
        responses=response_docs(Overview, examples.OVERVIEW),
    )
    async def get_overview(chosen: Selected, event_type: EventType = CLICK) -> Response:
        query = OVERVIEW.about(event_type)
        (counted,) = await store.rows(query, seconds, **chosen.values(), event_type=event_type)
        return _answer(overview(counted, _range(chosen, event_type)))

    @router.get(
        "/queries",
        summary="Query texts in numbers",
        responses=response_docs(Queries, examples.QUERIES),
    )
    async def get_queries(
        chosen: Selected,
        event_type: EventType = CLICK,
        order: OrderBy = Order.SESSIONS,
        ascending: bool = Query(False, description="Smallest first"),
        min_sessions: int = Query(1, ge=1, le=10**9, description="Leave rarer queries out"),
        limit: int = Query(20, ge=1, le=1_000, description="Most queries to answer"),
    ) -> Response:
        rows = await store.rows(
            QUERIES.about(event_type),
            seconds,
            **chosen.values(),
            event_type=event_type,
            order=order.value,
            direction=1 if ascending else -1,
            min_sessions=min_sessions,
            limit=limit,
        )
        return _answer(Queries(_range(chosen, event_type), [query_statistics(r) for r in rows]))

    @router.get(
        "/positions",
        summary="Places of the list",
        responses=response_docs(Positions, examples.POSITIONS),
    )
    async def get_positions(
        chosen: Selected,
        event_type: EventType = CLICK,
        limit: int = Query(50, ge=1, le=10_000, description="Places from the top"),
    ) -> Response:
        query = POSITIONS.about(event_type)
        rows = await store.rows(
            query, seconds, **chosen.values(), event_type=event_type, limit=limit
        )
        return _answer(
            Positions(_range(chosen, event_type), [position_statistics(r) for r in rows])
        )

    return router


def _range(chosen: Selection, event_type: str) -> Range:
    return Range(chosen.from_ms, chosen.to_ms, chosen.relevance.value, event_type)


def _answer(shape: Overview | Queries | Positions) -> Response:
    return Response(msgspec.json.encode(shape), media_type="application/json")
