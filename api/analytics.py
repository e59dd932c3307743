"""GET /analytics/…: questions of the catalogue, asked freely or ready-made, and experiments."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from api.experiments.routes import add_experiment_routes
from api.facts_progress import FactsProgress
from api.instrumentation import add_health_route
from api.metrics.ready_made import add_ready_made_routes
from api.metrics.routes import add_question_routes
from api.metrics.runner import Runner
from api.metrics.sessions import add_session_routes
from api.question_slots import takes_turns
from api.read_your_writes import ConsistentReads, wait_for_position
from api.store import Store
from core.clock import SystemClock
from core.http.query_parameters import known_parameters_only
from core.settings import Settings


def analytics_router(
    store: Store, reads: ConsistentReads, facts: FactsProgress, settings: Settings
) -> APIRouter:
    """The routes. A question that takes longer than `reads.query_seconds` is cut off."""
    router = APIRouter(
        prefix="/analytics",
        tags=["read"],
        dependencies=[
            Depends(known_parameters_only),
            Depends(wait_for_position(reads, facts)),
            Depends(takes_turns(settings)),
        ],
    )
    runner = Runner(store, settings.reads.query_seconds)
    add_question_routes(router, runner, settings)
    add_ready_made_routes(router, runner, settings)
    add_health_route(router, runner, SystemClock())
    add_session_routes(router, runner, settings)
    add_experiment_routes(router, store, settings)
    return router
