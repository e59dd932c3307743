"""GET /analytics/overview, /queries, /positions, /objects and /funnel: questions that are often
asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api.cancellation import while_connected
from api.metrics import examples
from api.metrics.catalogue import BY_NAME, OBJECT_ID, POSITION, SEARCH_QUERY
from api.metrics.funnel import funnel_steps
from api.metrics.lists import (
    OBJECT_COLUMNS,
    QUERY_COLUMNS,
    ObjectList,
    QueryList,
    object_ranking,
    query_ranking,
    usual_min_sessions,
)
from api.metrics.parameters import check_range, check_source, filters_of, parse_event_types, refusal
from api.metrics.question import Filters, Question
from api.metrics.responses import (
    OVERVIEW_METRICS,
    STEP_NAMES,
    Funnel,
    Objects,
    Overview,
    Positions,
    Queries,
)
from api.metrics.route_parameters import (
    Ascending,
    CompareParam,
    Cursor,
    EventType,
    Format,
    FormatParam,
    Limit,
    MinSessionsOfList,
    OneOf,
    Order,
)
from api.metrics.routes import (
    answer,
    csv_response,
    docs_of,
    json_response,
    range_of,
    ranking_of,
)
from api.metrics.runner import Page, Runner
from api.metrics.sample import AUTOMATIC
from api.queries import CLICK
from api.selection import Selection, SelectionParam
from core.settings import Settings
from core.user_ids import UserIds

_OF_QUERIES: Final = (
    "sessions", "impressions", "clicks", "session_ctr", "zero_result_rate", "no_click_rate",
    "mean_reciprocal_rank",
)  # fmt: skip
_OF_POSITIONS: Final = ("impressions", "position_ctr", "click_share", "examination_rate")
_OF_OBJECTS: Final = ("impressions", "position_ctr", "position_adjusted_ctr")


def add_ready_made_routes(router: APIRouter, runner: Runner, settings: Settings) -> None:
    """Each is a question of the catalogue with its metrics and groups chosen."""
    selected = Depends(filters_of(settings.dimensions, UserIds.from_settings(settings)))

    @router.get(
        "/overview",
        summary="Overview",
        responses=docs_of(Overview, examples.OVERVIEW),
    )
    async def analytics_overview(
        request: Request,
        selection: SelectionParam,
        filters: Filters = selected,
        event_type: EventType = CLICK,
        compare: CompareParam = None,
        format: FormatParam = Format.JSON,
    ) -> Response:
        question = _question(
            selection, filters, event_type, OVERVIEW_METRICS, compares=compare is not None
        )

        async def respond() -> Response:
            page = await runner.page(question)
            numbers = {**page.rows[0], **msgspec.structs.asdict(await runner.now(question))}
            if format is Format.CSV:
                return csv_response([numbers], list(numbers))
            over = range_of(selection, question)
            return json_response({"range": over, "as_of": page.as_of, **numbers})

        return await while_connected(request, respond())

    @router.get(
        "/queries",
        summary="Queries",
        responses=docs_of(Queries, examples.QUERIES),
    )
    async def analytics_queries(
        request: Request,
        selection: SelectionParam,
        filters: Filters = selected,
        event_type: EventType = CLICK,
        chosen: Annotated[
            QueryList | None,
            Query(
                alias="list",
                description="top; rising: asked more often than in the period before (needs from "
                "and to); no_result; no_click: with results, and never a click; low_ctr: a "
                "session_ctr that is for certain below that of all searches",
            ),
        ] = None,
        order: Order = None,
        ascending: Ascending = False,
        min_sessions: MinSessionsOfList = None,
        limit: Limit = 20,
        cursor: Cursor = "",
        format: FormatParam = Format.JSON,
    ) -> Response:
        if chosen is not None and order is not None:
            raise refusal("order", "and list cannot both be asked for")
        is_rising = chosen is QueryList.RISING
        question = _question(
            selection, filters, event_type, _OF_QUERIES, SEARCH_QUERY, compares=is_rising
        )
        least = usual_min_sessions(chosen) if min_sessions is None else min_sessions
        question = replace(
            question,
            more_columns=QUERY_COLUMNS,
            min_sessions=least,
            limit=limit,
            ranking=ranking_of(question.metrics, order, ascending=ascending)
            if chosen is None
            else query_ranking(chosen, least, ascending=ascending),
        )
        paged = question.on_page(cursor)

        def shape(page: Page) -> Queries:
            over = range_of(selection, paged)
            return Queries(over, page.as_of, least, list(page.rows), page.next)

        return await answer(request, runner, paged, selection, format, shape)

    @router.get(
        "/positions",
        summary="Positions",
        responses=docs_of(Positions, examples.POSITIONS),
    )
    async def analytics_positions(
        request: Request,
        selection: SelectionParam,
        filters: Filters = selected,
        event_type: EventType = CLICK,
        one_of: OneOf = AUTOMATIC,
        limit: int = Query(50, ge=1, le=10_000, description="Number of positions, from the top"),
        format: FormatParam = Format.JSON,
    ) -> Response:
        question = _question(selection, filters, event_type, _OF_POSITIONS, POSITION)
        question = replace(question, positions=limit, limit=limit, one_of=one_of)
        if one_of > 1 and not question.is_sampled:
            raise refusal("one_of", "is for filters by paths of results: these numbers are of all")

        def shape(page: Page) -> Positions:
            over = range_of(selection, question)
            return Positions(over, page.as_of, list(page.rows), page.sample)

        return await answer(request, runner, question, selection, format, shape)

    @router.get(
        "/objects",
        summary="Objects",
        responses=docs_of(Objects, examples.OBJECTS),
    )
    async def analytics_objects(
        request: Request,
        selection: SelectionParam,
        filters: Filters = selected,
        event_type: EventType = CLICK,
        chosen: Annotated[
            ObjectList,
            Query(
                alias="list",
                description="top: clicked most; never_clicked: of these, shown most",
            ),
        ] = ObjectList.TOP,
        min_impressions: Annotated[
            int, Query(ge=1, le=10**9, description="Omit objects that were shown less often")
        ] = 1,
        one_of: OneOf = AUTOMATIC,
        limit: Limit = 20,
        cursor: Cursor = "",
        format: FormatParam = Format.JSON,
    ) -> Response:
        question = _question(selection, filters, event_type, _OF_OBJECTS, OBJECT_ID)
        question = replace(
            question,
            more_columns=OBJECT_COLUMNS,
            ranking=object_ranking(chosen, min_impressions),
            one_of=one_of,
            limit=limit,
        )

        def shape(page: Page) -> Objects:
            over = range_of(selection, question)
            return Objects(over, page.as_of, list(page.rows), page.next, page.sample)

        return await answer(request, runner, question.on_page(cursor), selection, format, shape)

    @router.get(
        "/funnel",
        summary="Funnel",
        responses=docs_of(Funnel, examples.FUNNEL),
    )
    async def analytics_funnel(
        request: Request,
        selection: SelectionParam,
        filters: Filters = selected,
        steps: Annotated[
            str,
            Query(max_length=4_200, description="Types of events, at most 8, separated by commas"),
        ] = CLICK,
        format: FormatParam = Format.JSON,
    ) -> Response:
        names = parse_event_types(steps, parameter="steps")
        question = _question(selection, filters, CLICK, ["sessions"])

        async def respond() -> Response:
            as_of = await runner.as_of()
            told = await funnel_steps(runner, question, names)
            if format is Format.CSV:
                return csv_response([msgspec.structs.asdict(step) for step in told], STEP_NAMES)
            return json_response(Funnel(range_of(selection, question), as_of, told))

        return await while_connected(request, respond())


def _question(
    selection: Selection,
    filters: Filters,
    event_type: str,
    names: Sequence[str],
    *by: str,
    compares: bool = False,
) -> Question:
    metrics = [BY_NAME[name] for name in names]
    return Question(
        metrics=metrics,
        source=check_source(metrics, by),
        times=check_range(selection, None, compares=compares),
        relevance=selection.relevance.value,
        event_types=[event_type],
        by=by,
        filters=filters,
        compare_previous=compares,
    )
