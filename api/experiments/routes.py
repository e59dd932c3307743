"""GET /analytics/experiment and /analytics/interleaving."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from api.cancellation import while_connected
from api.experiments import examples
from api.experiments.comparison import METRICS, Question, metrics, sample_ratio, variants
from api.experiments.parameters import (
    MOST_VARIANTS,
    Confidence,
    Control,
    OutlierRule,
    Parameters,
    check_variant_field,
    check_variants,
    parse_parameters,
)
from api.experiments.preferences import preferences
from api.experiments.responses import Experiment, Interleaving, Outliers
from api.metrics.route_parameters import EventType
from api.queries import (
    CLICK,
    EXPERIMENT,
    EXPERIMENT_USERS,
    INTERLEAVING,
    INTERLEAVING_TEAMS,
)
from api.responses import Range
from api.selection import Selection, SelectionParam
from api.store import Store
from core.http.openapi import response_docs
from core.settings import Settings


def add_experiment_routes(router: APIRouter, store: Store, settings: Settings) -> None:
    """A query that takes longer than `reads.query_seconds` is a 503."""
    seconds = settings.reads.query_seconds

    async def compared(selection: Selection, asked: Parameters, field: str) -> Experiment:
        of = {**selection.times(), "event_type": asked.event_type, "variant_field": field}
        (everybody,) = await store.rows(
            EXPERIMENT_USERS, seconds, **of, quantile=str(asked.outlier_quantile)
        )
        most = everybody.sessions_at_quantile
        rows = await store.rows(
            EXPERIMENT,
            seconds,
            **of,
            outliers=asked.outliers.value,
            most_sessions=most,
            limit=(MOST_VARIANTS + 1) * len(METRICS),
        )
        control = check_variants((row.variant for row in rows), field, asked.control)
        question = Question(
            control, asked.metrics, asked.confidence, asked.power, asked.effect, asked.split
        )
        found = variants(rows, question.split)
        is_kept = asked.outliers is OutlierRule.KEEP
        return Experiment(
            range=_range(selection, asked.event_type),
            variant_field=field,
            control=control,
            confidence=asked.confidence,
            users_in_several_variants=everybody.users_in_several_variants,
            outliers=Outliers(asked.outliers.value, None if is_kept else most),
            sample_ratio=sample_ratio(
                found, outliers_left_out=asked.outliers is OutlierRule.LEAVE_OUT
            ),
            variants=found,
            metrics=metrics(rows, question),
        )

    @router.get(
        "/experiment",
        summary="Variants of an experiment",
        responses=response_docs(Experiment, examples.EXPERIMENT),
    )
    async def analytics_experiment(
        request: Request,
        selection: SelectionParam,
        asked: Annotated[Parameters, Depends(parse_parameters)],
    ) -> Response:
        field = check_variant_field(asked.variant_field, settings.variant_fields)

        async def respond() -> Response:
            return _json_response(await compared(selection, asked, field))

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


def _range(selection: Selection, event_type: str) -> Range:
    return Range(selection.from_ms, selection.to_ms, selection.relevance.value, event_type)


def _json_response(shape: Experiment | Interleaving) -> Response:
    return Response(msgspec.json.encode(shape), media_type="application/json")
