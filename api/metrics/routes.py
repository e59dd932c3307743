"""GET /analytics/metrics, /query and /series."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api.cancellation import while_connected
from api.metrics import examples
from api.metrics.answer import Row, column_names
from api.metrics.catalogue import (
    EVENT_TYPE,
    FILTERS,
    METRICS,
    OF_NOW,
    POSITION,
    SESSION,
    Granularity,
    Kind,
    Metric,
    dimensions_of,
    paths_of,
)
from api.metrics.distributions import OF_BUCKETS, OF_QUANTILES, Shape, check_spread
from api.metrics.parameters import (
    MOST_EVENT_TYPES,
    check_of_now,
    check_range,
    check_source,
    check_time_zone,
    filters_of,
    parse_by,
    parse_event_types,
    parse_metrics,
    refusal,
)
from api.metrics.question import Filters, Question, Ranking
from api.metrics.responses import Answer, Catalogue, MetricDescription, csv_text
from api.metrics.route_parameters import (
    Ascending,
    CompareParam,
    Cursor,
    EventType,
    EventTypes,
    Format,
    FormatParam,
    Limit,
    MetricNames,
    MinSessions,
    OneOf,
    Order,
    TimeZone,
)
from api.metrics.runner import Page, Runner
from api.metrics.sample import AUTOMATIC, Sample
from api.queries import CLICK
from api.responses import Range
from api.selection import Relevance, Selection, SelectionParam
from core.http.openapi import Part, response_docs
from core.settings import Settings
from core.user_ids import UserIds

ShapeOf = Callable[[Page], msgspec.Struct]
"""The JSON body of a page."""

_SERIES: Final = "sessions,users,clicks,session_ctr,zero_result_rate"


def add_question_routes(router: APIRouter, runner: Runner, settings: Settings) -> None:
    """Questions that are put together from the catalogue."""
    paths = settings.dimensions
    selected = Depends(filters_of(paths, UserIds.from_settings(settings)))

    @router.get(
        "/metrics",
        summary="The catalogue of metrics",
        responses=response_docs(Catalogue, examples.CATALOGUE),
    )
    async def analytics_metrics() -> Response:
        return json_response(catalogue(paths))

    @router.get(
        "/query",
        summary="A question of the catalogue",
        responses=docs_of(Answer, examples.ANSWER),
    )
    async def analytics_query(
        request: Request,
        selection: SelectionParam,
        metric: MetricNames,
        filters: Filters = selected,
        by: Annotated[
            str,
            Query(
                max_length=1_000,
                description="search_query, user_id, sort_field, event_type, position, object_id, "
                "or a declared path; at most 3, separated by commas",
            ),
        ] = "",
        shape: Annotated[
            Shape,
            Query(
                description="distribution: how many of the values of one metric are in each "
                "bucket; quantiles: their p10 to p99. Of clicks_per_search, results_per_search, "
                "mean_first_click_position, time_to_first_click_ms, dwell_ms"
            ),
        ] = Shape.TABLE,
        granularity: Annotated[
            Granularity | None, Query(description="A series in such steps; needs from and to")
        ] = None,
        time_zone: TimeZone = "UTC",
        event_type: EventTypes = CLICK,
        compare: CompareParam = None,
        order: Order = None,
        ascending: Ascending = False,
        min_sessions: MinSessions = 1,
        one_of: OneOf = AUTOMATIC,
        limit: Limit = 100,
        cursor: Cursor = "",
        format: FormatParam = Format.JSON,
    ) -> Response:
        metrics = parse_metrics(metric)
        if all(each.sources == OF_NOW for each in metrics):
            check_of_now(request.query_params)
            over = Range(None, None, Relevance.INCLUDE.value, CLICK)
            names = [each.name for each in metrics]
            return await answer_page(request, runner.of_now(metrics), names, over, format)
        groups = parse_by(by, paths)
        if order is not None and POSITION in groups:
            raise refusal("order", "is none of positions: they come from the top down")
        source = check_source(metrics, groups)
        if min_sessions > 1 and source not in SESSION:
            raise refusal("min_sessions", "is for groups of searches, not of positions or objects")
        times = check_range(selection, granularity, compares=compare is not None)
        types = parse_event_types(event_type, groups)
        if EVENT_TYPE in groups and "event_type" not in request.query_params:
            types = await runner.event_types(times, MOST_EVENT_TYPES) or types
        question = Question(
            metrics=metrics,
            source=source,
            times=times,
            relevance=selection.relevance.value,
            event_types=types,
            by=groups,
            granularity=granularity,
            time_zone=check_time_zone(time_zone),
            filters=filters,
            compare_previous=compare is not None,
            ranking=ranking_of(metrics, order, ascending=ascending) if groups else None,
            min_sessions=min_sessions if groups else 1,
            more_columns=("sessions",) if min_sessions > 1 else (),
            limit=limit,
            one_of=one_of,
        )
        if one_of > 1 and not question.is_sampled:
            raise refusal(
                "one_of", "is for single results and typing runs: these metrics are of all"
            )
        question = question.on_page(cursor)
        if shape is Shape.TABLE:
            return await answer(request, runner, question, selection, format)
        check_spread(metrics, request.query_params)
        names = [*groups, *(OF_BUCKETS if shape is Shape.DISTRIBUTION else OF_QUANTILES)]
        over = range_of(selection, question)
        return await answer_page(request, runner.spread(question, shape), names, over, format)

    @router.get(
        "/series",
        summary="Numbers over time",
        responses=docs_of(Answer, examples.SERIES),
    )
    async def analytics_series(
        request: Request,
        selection: SelectionParam,
        filters: Filters = selected,
        metric: MetricNames = _SERIES,
        granularity: Annotated[
            Granularity, Query(description="How long the steps are")
        ] = Granularity.DAY,
        time_zone: TimeZone = "UTC",
        event_type: EventType = CLICK,
        compare: CompareParam = None,
        format: FormatParam = Format.JSON,
    ) -> Response:
        metrics = parse_metrics(metric)
        question = Question(
            metrics=metrics,
            source=check_source(metrics, ()),
            times=check_range(selection, granularity, compares=compare is not None),
            relevance=selection.relevance.value,
            event_types=[event_type],
            granularity=granularity,
            time_zone=check_time_zone(time_zone),
            filters=filters,
            compare_previous=compare is not None,
            one_of=AUTOMATIC,
            limit=10_000,  # more than the steps that a range may have
        )
        return await answer(request, runner, question, selection, format)


async def answer(
    request: Request,
    runner: Runner,
    question: Question,
    selection: Selection,
    format: Format,
    shape: ShapeOf | None = None,
) -> Response:
    """A page of the question's answer, as JSON of this shape (`Answer`) or as CSV."""
    pending, names = runner.page(question), column_names(question)
    return await answer_page(request, pending, names, range_of(selection, question), format, shape)


async def answer_page(
    request: Request,
    pending: Awaitable[Page],
    names: Sequence[str],
    over: Range,
    format: Format,
    shape: ShapeOf | None = None,
) -> Response:
    """What is pending, with rows of these names, as JSON of this shape (`Answer`) or as CSV."""

    def usual(page: Page) -> Answer:
        return Answer(over, page.as_of, list(page.rows), page.next, page.sample)

    async def respond() -> Response:
        page = await pending
        if format is Format.CSV:
            return csv_response(page.rows, names, page.next, page.sample)
        return json_response((shape or usual)(page))

    return await while_connected(request, respond())


def docs_of(shape: type, example: Part) -> dict[int | str, Part]:
    """`responses` of a route that answers with rows, as JSON or as CSV."""
    documented = response_docs(shape, example)
    documented[200]["content"]["text/csv"] = {"schema": {"type": "string"}}
    return documented


def catalogue(paths: Sequence[str]) -> Catalogue:
    """What /analytics/metrics answers when these paths are declared."""
    return Catalogue([_description(metric, paths) for metric in METRICS], list(paths))


def _description(metric: Metric, paths: Sequence[str]) -> MetricDescription:
    return MetricDescription(
        name=metric.name,
        kind=metric.kind.value,
        formula=metric.formula,
        population=metric.population,
        unit=metric.unit,
        null=metric.null,
        dimensions=[*dimensions_of(metric), *paths_of(metric, paths)],
        filters=[] if metric.sources == OF_NOW else [*FILTERS, *paths],
        source=[source.value for source in metric.sources],
        numerator=metric.numerator,
        denominator=metric.denominator,
    )


def ranking_of(metrics: Sequence[Metric], order: str | None, *, ascending: bool) -> Ranking:
    """Sorted by the value of this metric; None: of the first."""
    names = {metric.name: metric for metric in metrics}
    if order is not None and order not in names:
        raise refusal("order", f"is none of the metrics that are asked for: {', '.join(names)}")
    metric = metrics[0] if order is None else names[order]
    is_sum = metric.kind is Kind.COUNT and metric.name != "users"
    bound = value_of(metric) if is_sum and not ascending else None
    return Ranking(value_of(metric), ascending=ascending, bound=bound)


def value_of(metric: Metric) -> str:
    """The value as `Ranking` writes it, but for a constant factor. Groups without one are last."""
    first = f"{{{metric.columns[0]}}}"
    if metric.denominator is None or metric.columns == (metric.denominator,):
        return first
    return f"if({{{metric.denominator}}} = 0, NULL, {first} / {{{metric.denominator}}})"


def range_of(selection: Selection, question: Question) -> Range:
    """What was selected, as the answer repeats it."""
    types = ",".join(question.event_types)
    return Range(selection.from_ms, selection.to_ms, selection.relevance.value, types)


def json_response(body: object) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")


def csv_response(
    rows: Sequence[Row],
    names: Sequence[str],
    next: str | None = None,
    sample: Sample | None = None,
) -> Response:
    """The next page's cursor, and what the numbers are of, are in headers."""
    headers = {} if next is None else {"Clickstream-Next": next}
    if sample is not None:
        headers["Clickstream-Sample"] = f"one in {sample.one_of} {sample.of}"
    text = csv_text(names, rows)
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)
