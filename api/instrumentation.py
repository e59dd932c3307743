"""GET /analytics/health: what is wrong in how searches and events are sent."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response
from msgspec import Meta

from api.cancellation import while_connected
from api.examples import Example
from api.metrics.answer import Row
from api.metrics.responses import AsOf, SampleField
from api.metrics.route_parameters import Format, FormatParam, HealthOneOf
from api.metrics.routes import csv_response, docs_of, json_response
from api.metrics.runner import Runner
from api.metrics.sample import AUTOMATIC, part_of_health, sample_of_health
from api.metrics.sql import Statement
from api.queries import Query as SqlQuery
from api.responses import Count, Rate
from api.selection import FROM_DESCRIPTION, TO_DESCRIPTION, parse_times
from core.clock import Clock
from core.errors import FieldError, InvalidRequest
from schemas.instrumentation import HEALTH_CHECKS

_DAY_MS: Final = 86_400_000
# The newest day is compared with the days before it; and a week costs a large system seconds.
_USUAL_DAYS: Final = 7


class HealthCheck(msgspec.Struct, frozen=True):
    """One check: `share` is `cases / total`, and a finding when it is above `threshold`, of enough.

    It is a row of the view `_instrumentation_health`."""

    finding: str
    is_found: Annotated[bool, Meta(description="There are enough, and too many of them are cases")]
    cases: Count
    total: Count
    share: Rate
    threshold: float
    examples: Annotated[list[str], Meta(description="At most three, whether it is found or not")]
    meaning: Annotated[str, Meta(description="What the cases are")]
    what_to_do: str
    one_of: Annotated[int, Meta(description="cases and total are of one in so many searches")]


class HealthRange(msgspec.Struct, frozen=True):
    """The sessions that were looked at: created_at at or after `from_ms`, and before `to_ms`."""

    from_ms: int
    to_ms: int


class Health(msgspec.Struct, frozen=True):
    """All checks."""

    range: HealthRange
    as_of: AsOf
    is_healthy: Annotated[bool, Meta(description="Nothing was found")]
    checks: list[HealthCheck]
    sample: SampleField


_COLUMNS: Final = HealthCheck.__struct_fields__
_CHECKS: Final = SqlQuery("instrumentation_health", HealthCheck)

HEALTH_EXAMPLE: Final[Example] = {
    "range": {"from_ms": 1700438400000, "to_ms": 1701043200000},
    "as_of": 1701043212345,
    "is_healthy": False,
    "checks": [
        {
            "finding": "unlisted_clicks",
            "is_found": True,
            "cases": 310,
            "total": 1000,
            "share": 0.31,
            "threshold": 0.05,
            "examples": ["sess-123", "sess-122", "sess-121"],
            "meaning": "Clicks on objects that the list of their search does not have.",
            "what_to_do": "Send the same object_id with the result and with the click.",
            "one_of": 20,
        }
    ],
    "sample": msgspec.to_builtins(sample_of_health(20)),
}


def add_health_route(router: APIRouter, runner: Runner, clock: Clock) -> None:
    """The route. `clock` tells where a range ends that has no end."""

    @router.get(
        "/health",
        summary="Health of instrumentation",
        responses=docs_of(Health, HEALTH_EXAMPLE),
    )
    async def analytics_health(
        request: Request,
        start: str = Query(
            "", alias="from", description=f"{FROM_DESCRIPTION}. 7 days before `to` when left out"
        ),
        end: str = Query("", alias="to", description=f"{TO_DESCRIPTION}. Now when left out"),
        one_of: HealthOneOf = AUTOMATIC,
        format: FormatParam = Format.JSON,
    ) -> Response:
        """Checks that find common faults of pages and backends: ids that do not fit, events that
        have stopped, clocks that are wrong. Sessions that were marked irrelevant count as well.
        """
        over = _range(*parse_times(start, end), clock.now_ms())

        async def respond() -> Response:
            as_of = await runner.as_of()
            part = one_of or part_of_health(await runner.size_of((over.from_ms, over.to_ms)))
            values = {**msgspec.structs.asdict(over), "one_of": part}
            rows = await runner.rows(Statement(_CHECKS.sql, values), HealthCheck)
            sample = sample_of_health(part)
            checks = sorted(rows, key=lambda row: HEALTH_CHECKS.index(row.finding))
            if format is Format.CSV:
                return csv_response([_cells(check) for check in checks], _COLUMNS, sample=sample)
            is_healthy = not any(check.is_found for check in checks)
            return json_response(Health(over, as_of, is_healthy, checks, sample))

        return await while_connected(request, respond())


def _cells(check: HealthCheck) -> Row:
    """Of a line: the examples, which may have commas, are JSON."""
    examples = msgspec.json.encode(check.examples).decode()
    return {**msgspec.structs.asdict(check), "examples": examples}


def _range(from_ms: int | None, to_ms: int | None, now_ms: int) -> HealthRange:
    end = now_ms if to_ms is None else to_ms
    start = end - _USUAL_DAYS * _DAY_MS if from_ms is None else from_ms
    if start > end:
        raise InvalidRequest([FieldError("query.from", "is in the future: give `to`, too")])
    return HealthRange(start, end)
