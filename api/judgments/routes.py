"""GET /judgments and /judgments/propensities."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api.cancellation import while_connected
from api.facts_progress import FactsProgress
from api.judgments import examples
from api.judgments.answers import JudgmentFiles, judgments_page, propensities_of
from api.judgments.asked import (
    AskedJudgments,
    AskedPropensities,
    asked_judgments,
    asked_propensities,
)
from api.judgments.formats import MEDIA_TYPES, OF_PAIRS, JudgmentFormat
from api.judgments.judge import Judge
from api.judgments.responses import Judgments, Propensities
from api.metrics.parameters import filters_of, refusal
from api.metrics.route_parameters import Cursor
from api.queries import FIRST_BYTE_SECONDS
from api.read_your_writes import ConsistentReads, wait_for_position
from api.store import Store
from core.http.openapi import response_docs
from core.http.query_parameters import known_parameters_only
from core.settings import Settings
from core.user_ids import UserIds

LimitParam = Annotated[
    int, Query(ge=1, le=10_000, description="Most judgments of one page of json")
]
FormatParam = Annotated[
    JudgmentFormat,
    Query(
        description="json is a page; all others are files with all judgments. csv, ndjson "
        "and parquet have the columns of json; qrels is TREC's, with queries as its file "
        "of texts; ratings_csv is read by Quepid and the Search Relevance Workbench, "
        "ratings_json by the latter"
    ),
]


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
    files = JudgmentFiles(Judge(exports, FIRST_BYTE_SECONDS))
    selected = Depends(filters_of(settings.dimensions, UserIds.from_settings(settings)))
    question = Depends(asked_judgments(selected, settings.dimensions))
    population = Depends(asked_propensities(selected))

    @router.get("", summary="Judgments from clicks", responses=_documented())
    async def judgments(
        request: Request,
        asked: AskedJudgments = question,
        limit: LimitParam = 1_000,
        cursor: Cursor = "",
        format: FormatParam = JudgmentFormat.JSON,
    ) -> Response:
        """How relevant each object is for each query, estimated from what people clicked.

        What positions do to clicks is measured over the whole range, whatever is filtered.
        """
        if format is JudgmentFormat.JSON:
            return await _answer(request, judgments_page(judge, asked, cursor, limit))
        if cursor:
            raise refusal("cursor", f"is for pages of json: {format} has all judgments")
        if asked.question.by and format in OF_PAIRS:
            why = f"{format} has one grade for each pair: ask for each value apart, by a filter"
            raise refusal("by", why)
        return await while_connected(request, files.respond(asked.question, format))

    @router.get(
        "/propensities",
        summary="How likely positions are looked at",
        responses=response_docs(Propensities, examples.PROPENSITIES),
    )
    async def propensities(request: Request, asked: AskedPropensities = population) -> Response:
        """The examination of each position relative to the first one, with intervals of 95 %.

        Filters select the searches that it is measured on.
        """
        return await _answer(request, propensities_of(judge, asked))

    return router


async def _answer(
    request: Request, body: Coroutine[Any, Any, Judgments | Propensities]
) -> Response:
    async def respond() -> Response:
        return Response(msgspec.json.encode(await body), media_type="application/json")

    return await while_connected(request, respond())


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
