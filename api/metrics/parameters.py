"""The query parameters of questions. What is wrong is an InvalidRequest that names the parameter,
and the nearest name that is known."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Annotated, Final
from zoneinfo import available_timezones

from fastapi import Depends, Query

from api.metrics.catalogue import (
    BY_NAME,
    EVENT_TYPE,
    METRICS,
    OBJECT_ID,
    OF_NOW,
    POSITION,
    SESSION_DIMENSIONS,
    Granularity,
    Metric,
    Source,
    dimensions_of,
    is_of_shown,
    source_of,
)
from api.metrics.question import Filters
from api.selection import Selection
from core.declared_paths import is_of_results
from core.errors import FieldError, InvalidRequest
from core.http.query_parameters import PATHS_ARE_DECLARED
from core.nearest_name import hint, nearest_name
from core.user_ids import UserIds

MOST_STEPS: Final = 2_000
"""Of a series: hours of 83 days."""
MOST_METRICS: Final = 20
MOST_DIMENSIONS: Final = 3
MOST_EVENT_TYPES: Final = 8

_LONGEST_SHOWN: Final = 64
# What the field calls some of them, and what two were called before.
_ALSO_CALLED: Final = {
    "ctr": "session_ctr",
    "click_through_rate": "session_ctr",
    "mrr": "mean_reciprocal_rank",
    "ndcg": "ndcg_10",
    "no_result_rate": "zero_result_rate",
    "waiting_events": "unjoined_events",
    "freshness": "freshness_seconds",
    "dwell": "dwell_ms",
    "dwell_time": "dwell_ms",
    "searches": "sessions",
    "query": "search_query",
    "user": "user_id",
    "object": "object_id",
    "sort": "sort_field",
}
_TIMES: Final = ("time", "date", *Granularity)
_STEP_MS: Final = {
    Granularity.HOUR: 3_600_000,
    Granularity.DAY: 86_400_000,
    Granularity.WEEK: 604_800_000,
    Granularity.MONTH: 28 * 86_400_000,
}

# Fits into a URL, which may have 8 KiB, with everything else that a question has.
Text = Annotated[str | None, Query(max_length=2_000)]


async def parse_filters(
    query: Annotated[Text, Query(description="Only searches for exactly this text")] = None,
    query_prefix: Annotated[
        str | None, Query(max_length=1_000, description="Only texts that begin so")
    ] = None,
    query_regex: Annotated[
        str | None,
        Query(max_length=200, description="Only texts in which this is found (RE2 syntax)"),
    ] = None,
    user: Annotated[
        str | None, Query(min_length=1, max_length=512, description="Only searches of this user")
    ] = None,
    sort_field: Annotated[
        str | None, Query(max_length=512, description="Only lists sorted by this field")
    ] = None,
) -> Filters:
    """The filters that every question has, as a FastAPI dependency."""
    if query_regex is not None:
        try:
            re.compile(query_regex)
        except re.error as error:
            raise refusal("query_regex", f"is no regular expression: {error}") from None
    return Filters(query, query_prefix, query_regex, None if user is None else (user,), sort_field)


def filters_of(paths: Sequence[str], user_ids: UserIds) -> Callable[..., Awaitable[Filters]]:
    """A FastAPI dependency: `parse_filters`, and one parameter for each declared path, which has
    its name."""
    names = [f"dimension_{number}" for number in range(len(paths))]

    async def parse(filters: Filters, **values: str | None) -> Filters:
        declared = {
            path: value
            for path, name in zip(paths, names, strict=True)
            if (value := values[name]) is not None
        }
        user = None if filters.user is None else user_ids.known_forms(filters.user[0])
        return replace(filters, user=user, declared=declared)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("filters", keyword, annotation=Annotated[Filters, Depends(parse_filters)])
    ]
    for path, name in zip(paths, names, strict=True):
        what = f"Only searches with this {path}"
        if is_of_results(path):
            what = f"Only results with this {path}; of searches, those that showed one"
        described = Query(alias=path, max_length=128, description=what)
        parameters.append(
            inspect.Parameter(
                name, keyword, default=None, annotation=Annotated[str | None, described]
            )
        )
    parse.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # FastAPI reads it
    return parse


def parse_metrics(text: str) -> list[Metric]:
    """Names separated by commas, in their order, each once."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in BY_NAME:
            raise unknown("metric", name, BY_NAME)
    if len(names) > MOST_METRICS:
        raise refusal("metric", f"has {len(names)} names: at most {MOST_METRICS}")
    return [BY_NAME[name] for name in names]


def parse_by(text: str, declared: Sequence[str]) -> list[str]:
    """Names of dimensions separated by commas, each once."""
    if not text:
        return []
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    known = (*SESSION_DIMENSIONS, POSITION, OBJECT_ID, *declared)
    for name in names:
        if name in _TIMES:
            raise refusal("by", f"{name} is no group: ask for a series with granularity=day")
        if name not in known:
            raise unknown("by", name, known)
    if len(names) > MOST_DIMENSIONS:
        raise refusal("by", f"has {len(names)} names: at most {MOST_DIMENSIONS}")
    return names


def parse_event_types(
    text: str, by: Sequence[str] = (EVENT_TYPE,), parameter: str = "event_type"
) -> list[str]:
    """One type; grouped by them, several separated by commas."""
    if EVENT_TYPE not in by:
        if "," in text:
            raise refusal(parameter, "names several types: add by=event_type, or ask for one")
        return [text]
    types = list(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    if not 1 <= len(types) <= MOST_EVENT_TYPES:
        raise refusal(parameter, f"must have 1 to {MOST_EVENT_TYPES} types")
    return types


def check_source(metrics: Sequence[Metric], by: Sequence[str]) -> Source:
    """The view that has all of them."""
    if POSITION in by and OBJECT_ID in by:
        raise refusal("by", "has position and object_id: ask for one of them")
    source = source_of(metrics, by)
    if source is not None:
        return source
    of_now = [metric.name for metric in metrics if metric.sources == OF_NOW]
    if of_now:
        raise refusal("metric", f"{of_now[0]} is of now: ask for it by itself, at /analytics/query")
    path = next(filter(is_of_results, by), None)
    for metric in metrics:
        if path is not None and not is_of_shown(metric):
            listed = ", ".join(each.name for each in METRICS if is_of_shown(each))
            raise refusal(
                "by",
                f"{metric.name} counts searches, and {path} tells results apart: ask for {listed}; "
                f"or send {path} as a filter, for searches that showed such a result",
            )
        if source_of([metric], by) is None:
            listed = ", ".join(dimensions_of(metric))
            only = [name for name in (POSITION, OBJECT_ID) if name in by]
            if only:
                raise refusal("by", f"{metric.name} cannot be grouped by {only[0]}: by {listed}")
            raise refusal("metric", f"{metric.name} must be grouped by one of {listed}")
    raise refusal("metric", "these have no source in common: ask for them one by one")


def check_of_now(sent: Iterable[str]) -> None:
    """Metrics of now have no range, no groups and no filters."""
    for name in sent:
        if name not in ("metric", "format"):
            raise refusal(name, "changes nothing of what is of now: leave it out")


def check_time_zone(name: str) -> str:
    """A name of the time zone database."""
    if name not in _time_zones():
        of_the_city = name.strip().replace(" ", "_").title()
        zones = sorted(_time_zones())
        meant = next((zone for zone in zones if zone.endswith(f"/{of_the_city}")), None)
        meant = meant or nearest_name(name, zones)
        said = f"did you mean {meant}?" if meant else "send one such as Europe/Berlin"
        raise refusal("time_zone", f"{name!r} is no name of the time zone database: {said}")
    return name


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def check_range(
    selection: Selection, granularity: Granularity | None, *, compares: bool
) -> tuple[int, int]:
    """From and to, in milliseconds; both ends must be there for a series and for a comparison."""
    times = selection.times()
    if granularity is None and not compares:
        return int(times["from_ms"]), int(times["to_ms"])
    why = "a comparison" if compares else "a series"
    for name, bound in (("from", selection.from_ms), ("to", selection.to_ms)):
        if bound is None:
            raise refusal(name, f"is needed for {why}")
    from_ms, to_ms = int(times["from_ms"]), int(times["to_ms"])
    if from_ms == to_ms:
        raise refusal("to", f"is `from`: {why} needs a range")
    if granularity is not None and (to_ms - from_ms) // _STEP_MS[granularity] >= MOST_STEPS:
        raise refusal(
            "granularity",
            f"makes more than {MOST_STEPS:,} steps of this range: take longer steps, or a "
            "shorter range",
        )
    if compares and 2 * from_ms - to_ms < 0:
        raise refusal("from", "has no period of this length before it, since 1970")
    return from_ms, to_ms


def unknown(
    parameter: str, name: str, known: Iterable[str] | Mapping[str, object]
) -> InvalidRequest:
    """Says which name was meant, or which there are."""
    names = list(known)
    if not name:
        return refusal(parameter, "has an empty name: write them with one comma between two")
    meant = [each for each in names if each == _ALSO_CALLED.get(name.lower())]
    meant += [each for each in names if each.endswith(f".{name}")]
    said = hint(meant[0] if meant else name, names)
    if parameter == "by":
        said += PATHS_ARE_DECLARED
    return refusal(parameter, f"{name[:_LONGEST_SHOWN]!r} is not known: {said}")


def refusal(parameter: str, message: str) -> InvalidRequest:
    return InvalidRequest([FieldError(f"query.{parameter}", message)])
