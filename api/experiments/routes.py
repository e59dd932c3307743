"""The two routes."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api.cancellation import while_connected
from api.experiments import examples
from api.experiments.comparison import METRICS, Question, metrics, sample_ratio, variants
from api.experiments.parameters import (
    MOST_VARIANTS,
    OutlierRule,
    check_variant_field,
    check_variants,
    parse_metrics,
    parse_split,
)
from api.experiments.preferences import preferences
from api.experiments.responses import Experiment, Interleaving, Outliers
from api.facts_progress import FactsProgress
from api.metrics.route_parameters import EventType
from api.queries import (
    CLICK,
    EXPERIMENT,
    EXPERIMENT_USERS,
    INTERLEAVING,
    INTERLEAVING_TEAMS,
)
from api.question_slots import takes_turns
from api.read_your_writes import ConsistentReads, wait_for_position
from api.responses import Range
from api.selection import Selection, SelectionParam
from api.store import Store
from core.http.openapi import response_docs
from core.http.query_parameters import known_parameters_only
from core.settings import Settings

Control = Annotated[str, Query(min_length=1, max_length=128)]
Confidence = Annotated[
    float, Query(ge=0.5, le=0.9999, description="Of intervals, and 1 - the level of significance")
]


def experiments_router(
    store: Store, reads: ConsistentReads, facts: FactsProgress, settings: Settings
) -> APIRouter:
    """The two routes. A query that takes longer than `reads.query_seconds` is a 503."""
    router = APIRouter(
        prefix="/analytics",
        tags=["read"],
        dependencies=[
            Depends(known_parameters_only),
            Depends(wait_for_position(reads, facts)),
            Depends(takes_turns(settings)),
        ],
    )
    seconds = settings.reads.query_seconds

    @router.get(
        "/experiment",
        summary="Variants of an experiment",
        responses=response_docs(Experiment, examples.EXPERIMENT),
    )
    async def analytics_experiment(
        request: Request,
        selection: SelectionParam,
        control: Annotated[
            Control | None,
            Query(
                description="The variant to compare the others with; left out: the one named "
                "`control`, or else the first by name"
            ),
        ] = None,
        variant_field: Annotated[
            str | None,
            Query(
                description="The field of search_meta that names the variant, one of "
                "CLICKSTREAM_VARIANT_FIELDS; left out: the first of them"
            ),
        ] = None,
        event_type: EventType = CLICK,
        metrics_: Annotated[
            str,
            Query(
                alias="metrics",
                max_length=1_000,
                description=f"Separated by commas; left out, all: {', '.join(METRICS)}",
            ),
        ] = "",
        confidence: Confidence = 0.95,
        split: Annotated[
            str,
            Query(
                max_length=8_000,
                description="The shares of users that were meant, such as control:50,treatment:50; "
                "left out: all alike",
            ),
        ] = "",
        outliers: Annotated[
            OutlierRule,
            Query(
                description="Users with more searches than those at outlier_quantile: keep, leave "
                "out, or count them as if they had made so many (winsorise)"
            ),
        ] = OutlierRule.KEEP,
        outlier_quantile: Annotated[
            float, Query(ge=0.5, lt=1, description="Share of users that are no outliers")
        ] = 0.99,
        effect: Annotated[
            float | None,
            Query(
                gt=0,
                le=10,
                description="A relative difference that one wants to find, 0.02 for 2 %: the "
                "answer then has the users that each variant needs",
            ),
        ] = None,
        power: Annotated[
            float, Query(ge=0.5, le=0.999, description="Probability with which it is found")
        ] = 0.8,
    ) -> Response:
        field = check_variant_field(variant_field, settings.variant_fields)
        asked_metrics, shares = parse_metrics(metrics_), parse_split(split)

        async def respond() -> Response:
            asked = {**selection.times(), "event_type": event_type, "variant_field": field}
            (everybody,) = await store.rows(
                EXPERIMENT_USERS, seconds, **asked, quantile=str(outlier_quantile)
            )
            most = everybody.sessions_at_quantile
            rows = await store.rows(
                EXPERIMENT,
                seconds,
                **asked,
                outliers=outliers.value,
                most_sessions=most,
                limit=(MOST_VARIANTS + 1) * len(METRICS),
            )
            chosen = check_variants((row.variant for row in rows), field, control)
            question = Question(chosen, asked_metrics, confidence, power, effect, shares)
            found = variants(rows, question.split)
            is_kept = outliers is OutlierRule.KEEP
            return _json_response(
                Experiment(
                    range=_range(selection, event_type),
                    variant_field=field,
                    control=question.control,
                    confidence=confidence,
                    users_in_several_variants=everybody.users_in_several_variants,
                    outliers=Outliers(outliers.value, None if is_kept else most),
                    sample_ratio=sample_ratio(
                        found, outliers_left_out=outliers is OutlierRule.LEAVE_OUT
                    ),
                    variants=found,
                    metrics=metrics(rows, question),
                )
            )

        return await while_connected(request, respond())

    @router.get(
        "/interleaving",
        summary="Teams of interleaved lists",
        responses=response_docs(Interleaving, examples.INTERLEAVING),
    )
    async def analytics_interleaving(
        request: Request,
        selection: SelectionParam,
        control: Annotated[
            Control | None,
            Query(description="The team to compare the others with; left out: the first by name"),
        ] = None,
        event_type: EventType = CLICK,
        confidence: Confidence = 0.95,
    ) -> Response:
        async def respond() -> Response:
            chosen = control
            if chosen is None:
                (first,) = await store.rows(INTERLEAVING_TEAMS, seconds, **selection.times())
                chosen = first.team
            rows = await store.rows(
                INTERLEAVING,
                seconds,
                **selection.times(),
                event_type=event_type,
                control=chosen,
                limit=MOST_VARIANTS,
            )
            return _json_response(
                Interleaving(
                    range=_range(selection, event_type),
                    control=chosen,
                    confidence=confidence,
                    teams=preferences(rows, confidence),
                )
            )

        return await while_connected(request, respond())

    return router


def _range(selection: Selection, event_type: str) -> Range:
    return Range(selection.from_ms, selection.to_ms, selection.relevance.value, event_type)


def _json_response(shape: Experiment | Interleaving) -> Response:
    return Response(msgspec.json.encode(shape), media_type="application/json")
