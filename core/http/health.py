"""`/livez`, `/readyz` and `/metrics`: what orchestrators and prometheus ask for.

The first two need no key: orchestrators and load balancers cannot send one, and the answers say
nothing about what is stored or where servers are. Metrics tell how much is searched and clicked:
they need a read key.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.responses import Response

from core.http.access import Access
from core.http.openapi import problems, response_docs
from core.http.readiness import Readiness

_METRICS = {
    "description": "Counters, gauges and histograms",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}


class Alive(msgspec.Struct, frozen=True):
    """The process serves requests."""

    alive: bool = True


class Ready(msgspec.Struct, frozen=True):
    """Whether the process can do its work now; each reason is a sentence."""

    ready: bool
    reasons: list[str] = []


def health_router(readiness: Readiness, access: Access, registry: CollectorRegistry) -> APIRouter:
    """The three routes of a process."""
    router = APIRouter(tags=["health"])
    not_ready = response_docs(Ready, {"ready": False, "reasons": ["write: Kafka does not answer"]})[
        200
    ]

    @router.get(
        "/livez",
        summary="Whether the process runs",
        responses=response_docs(Alive, {"alive": True}),
    )
    async def livez() -> Response:
        """200 as long as the process can answer at all: restart it when this fails."""
        return _json(200, Alive())

    @router.get(
        "/readyz",
        summary="Whether the process can do its work now",
        responses={
            **problems(),
            **response_docs(Ready, {"ready": True, "reasons": []}),
            503: not_ready,
        },
    )
    async def readyz(
        wanted: Annotated[
            str | None,
            Query(
                alias="for",
                pattern="^(write|read|all)$",
                description="`write`, `read` or `all`. Without it: the write side where the process"
                " has one, else all",
            ),
        ] = None,
    ) -> Response:
        """200 when the servers behind this process answer; 503 with the reasons otherwise, and
        from SIGTERM on. The servers are asked once a second at most."""
        reasons = await readiness.reasons(wanted)
        return _json(503 if reasons else 200, Ready(not reasons, reasons))

    @router.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={200: _METRICS, **problems()},
        dependencies=[Depends(access.require_route)],
    )
    async def metrics() -> Response:
        """Metrics in prometheus' text format. Needs a read key, where there are keys."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _json(status: int, content: Alive | Ready) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
