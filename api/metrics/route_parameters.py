"""Annotations of routes' arguments: what OpenAPI says of each, and its bounds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


class Format(StrEnum):
    """Of an answer."""

    JSON = "json"
    CSV = "csv"


class Compare(StrEnum):
    """With what an answer is compared."""

    PREVIOUS = "previous"


def _check_one_type(text: str | None) -> str | None:
    """Types that were meant as a list would count as one type, which nothing has."""
    if text is not None and "," in text:
        raise PydanticCustomError(
            "several_types",
            "must be one type, without a comma: ask once for each (/analytics/query has a group "
            "for each of several, with by=event_type)",
        )
    return text


OneType = AfterValidator(_check_one_type)
EventType = Annotated[
    str,
    Query(min_length=1, max_length=512, description="The type of event that counts as a click"),
    OneType,
]
EventTypes = Annotated[
    str,
    Query(
        min_length=1,
        max_length=4_200,
        description="The type of event that counts as a click. Grouped by event_type, at most 8, "
        "separated by commas, and without any the 8 that most events of the range have",
    ),
]
FormatParam = Annotated[Format, Query(description="csv: a line of names, then one a row")]
CompareParam = Annotated[
    Compare | None,
    Query(description="previous: with the period of the same length before, as previous_…"),
]
MetricNames = Annotated[
    str, Query(max_length=1_000, description="Names of /analytics/metrics, separated by commas")
]
TimeZone = Annotated[
    str, Query(max_length=64, description="Where days begin at midnight, such as Europe/Berlin")
]
Order = Annotated[str | None, Query(max_length=100, description="The metric to sort by")]
Ascending = Annotated[bool, Query(description="Smallest first")]
MinSessions = Annotated[int, Query(ge=1, le=10**9, description="Omit groups with fewer sessions")]
MinSessionsOfList = Annotated[
    int | None,
    Query(
        ge=1,
        le=10**9,
        description="Omit queries with fewer sessions, and of no_click those with fewer sessions "
        "with results; 2 for no_click, else 1",
    ),
]
Limit = Annotated[int, Query(ge=1, le=1_000, description="Most rows of one answer")]
Cursor = Annotated[
    str, Query(max_length=4_000, description="`next` of an answer to the same question")
]
OneOf = Annotated[
    int,
    Query(
        ge=0,
        le=1_000,
        description="Objects, paths of results, and typing runs: read one search, or one user, in "
        "so many. 1: all; 0: as few as the range needs; the answer's `sample` says which",
    ),
]
HealthOneOf = Annotated[
    int,
    Query(
        ge=0,
        le=1_000,
        description="Read one search in so many, where shares tell enough. 1: all; 0: as few as "
        "the range needs; the answer's `sample` says which",
    ),
]
