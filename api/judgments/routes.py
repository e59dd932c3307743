"""GET /judgments and /judgments/propensities."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api.cancellation import while_connected
from api.export import start_stream
from api.facts_progress import FactsProgress
from api.judgments import examples
from api.judgments.formats import MEDIA_TYPES, WRITERS, JudgmentFormat
from api.judgments.judge import Judge
from api.judgments.parameters import (
    DEPTH,
    MIN_IMPRESSIONS,
    CutPointsParam,
    Depth,
    EstimatorParam,
    EventTypeParam,
    MinImpressions,
    PropensityEstimatorParam,
    WeightsParam,
    parse_cut_points,
    population_of,
    types_of,
)
from api.judgments.propensities import propensity_rows
from api.judgments.question import Estimator, Population, PropensityEstimator, Question
from api.judgments.responses import Judgments, Propensities
from api.metrics.cursors import Place, read_cursor, write_cursor
from api.metrics.parameters import filters_of, refusal
from api.metrics.question import Filters
from api.metrics.route_parameters import Cursor
from api.read_your_writes import ConsistentReads, wait_for_position
from api.responses import Range
from api.selection import Selection, SelectionParam
from api.store import Store
from core.errors import TooManyExports
from core.http.openapi import response_docs
from core.http.query_parameters import known_parameters_only
from core.settings import Settings
from core.user_ids import UserIds

MOST_STREAMS = 2
"""At a time. Each is a question about all impressions of its range."""


def judgments_router(
    store: Store, exports: Store, reads: ConsistentReads, facts: FactsProgress, settings: Settings
) -> APIRouter:
    """The two routes. `exports`: connections of their own for answers that last long."""
    router = APIRouter(
        prefix="/judgments",
        tags=["read"],
        dependencies=[Depends(known_parameters_only), Depends(wait_for_position(reads, facts))],
    )
    judge = Judge(store, settings.reads.query_seconds)
    streaming = Judge(exports, settings.reads.query_seconds)
    slots = asyncio.Semaphore(MOST_STREAMS)
    selected = Depends(filters_of(settings.dimensions, UserIds.from_settings(settings)))

    @router.get("", summary="Judgments from clicks", responses=_documented())
    async def judgments(
        request: Request,
        selection: SelectionParam,
        filters: Filters = selected,
        event_type: EventTypeParam = None,
        weights: WeightsParam = "",
        estimator: EstimatorParam = Estimator.COEC,
        min_impressions: MinImpressions = MIN_IMPRESSIONS,
        cut_points: CutPointsParam = "0.25,0.5,1,2",
        depth: Depth = DEPTH,
        limit: Annotated[
            int, Query(ge=1, le=10_000, description="Most judgments of one page of json")
        ] = 1_000,
        cursor: Cursor = "",
        format: Annotated[
            JudgmentFormat,
            Query(
                description="json is a page; all others are files with all judgments. csv, ndjson "
                "and parquet have the columns of json; qrels is TREC's, with queries as its file "
                "of texts; ratings_csv is read by Quepid and the Search Relevance Workbench, "
                "ratings_json by the latter"
            ),
        ] = JudgmentFormat.JSON,
    ) -> Response:
        """How relevant each object is for each query, estimated from what people clicked.

        What positions do to clicks is measured over the whole range, whatever is filtered.
        """
        question = Question(
            population_of(selection, filters, event_type, weights, depth),
            estimator,
            min_impressions,
            parse_cut_points(cut_points),
        )
        behind = read_cursor(cursor, question)
        if format is not JudgmentFormat.JSON:
            if behind is not None:
                raise refusal("cursor", f"is for pages of json: {format} has all judgments")
            if slots.locked():
                raise TooManyExports("too many judgments are made: try again later", retry_after=30)
            written = _file(streaming, question, format, slots)
            return await start_stream(written, MEDIA_TYPES[format])

        async def respond() -> Response:
            as_of = await judge.as_of()
            effects = await judge.effects_for(question)
            after = "" if behind is None else behind.text
            found, places = await judge.page(question, effects, after, limit + 1)
            last = Place(None, None, places[limit - 1]) if len(found) > limit else None
            return _json(
                Judgments(
                    range=_range(selection, question.population),
                    as_of=as_of,
                    estimator=estimator.value,
                    cut_points=list(question.cut_points),
                    averages=effects.averages,
                    min_impressions=min_impressions,
                    depth=depth,
                    impressions=int(effects.impressions.sum()),
                    clicks=float(effects.clicks.sum()),
                    pbm_refused=effects.refused,
                    judgments=found[:limit],
                    next=None if last is None else write_cursor(question, last),
                )
            )

        return await while_connected(request, respond())

    @router.get(
        "/propensities",
        summary="How likely positions are looked at",
        responses=response_docs(Propensities, examples.PROPENSITIES),
    )
    async def propensities(
        request: Request,
        selection: SelectionParam,
        filters: Filters = selected,
        event_type: EventTypeParam = None,
        weights: WeightsParam = "",
        estimator: PropensityEstimatorParam = PropensityEstimator.EM,
        depth: Depth = DEPTH,
    ) -> Response:
        """The examination of each position relative to the first one, with intervals of 95 %.

        Filters select the searches that it is measured on.
        """
        population = population_of(selection, filters, event_type, weights, depth)

        async def respond() -> Response:
            as_of = await judge.as_of()
            effects = await judge.effects(population, estimator)
            if effects.examination is None:
                raise refusal("estimator", f"{estimator.value} has no answer: {effects.refused}")
            return _json(
                Propensities(
                    range=_range(selection, population),
                    as_of=as_of,
                    estimator=estimator.value,
                    reference=effects.examination.reference,
                    moving_pairs=effects.examination.moving_pairs,
                    sample=effects.sample,
                    rounds=effects.examination.rounds,
                    propensities=propensity_rows(effects),
                )
            )

        return await while_connected(request, respond())

    return router


async def _file(
    judge: Judge, question: Question, format: JudgmentFormat, slots: asyncio.Semaphore
) -> AsyncGenerator[bytes, None]:
    async with slots:
        effects = await judge.effects_for(question)
        async with (
            aclosing(judge.all(question, effects)) as batches,
            aclosing(WRITERS[format](batches)) as parts,
        ):
            async for part in parts:
                if part:
                    yield part


def _range(selection: Selection, population: Population) -> Range:
    types = types_of(population.weights)
    return Range(selection.from_ms, selection.to_ms, selection.relevance.value, types)


def _json(body: Judgments | Propensities) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")


_RATINGS: Final[Mapping[str, object]] = {
    "type": "object",
    "required": ["judgmentRatings"],
    "properties": {"judgmentRatings": {"type": "array", "items": {"type": "object"}}},
}


def _documented() -> dict[int | str, dict[str, object]]:
    documented = response_docs(Judgments, examples.JUDGMENTS)
    # What a workbench imports is JSON, too, of its own shape.
    page = documented[200]["content"]["application/json"]
    page["schema"] = {"anyOf": [page["schema"], _RATINGS]}
    for media_type in sorted({*MEDIA_TYPES.values()} - {"application/json"}):
        documented[200]["content"][media_type.partition(";")[0]] = {"schema": {"type": "string"}}
    return documented
