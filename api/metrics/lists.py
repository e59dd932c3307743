"""Ready-made lists of queries and objects: which are told, and in which order."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Final

from api.metrics.question import Ranking


class QueryList(StrEnum):
    """Which queries."""

    TOP = "top"
    RISING = "rising"
    NO_RESULT = "no_result"
    NO_CLICK = "no_click"
    LOW_CTR = "low_ctr"


class ObjectList(StrEnum):
    """Which objects."""

    TOP = "top"
    NEVER_CLICKED = "never_clicked"


# The upper end of Wilson's interval of 95 %: docs/metrics.md, "Intervals".
_SESSION_CTR_HIGH: Final = (
    "(({sessions_with_click} + 1.920729410347062 + 1.959963984540054 * sqrt({sessions_with_click}"
    " / {sessions} * ({sessions} - {sessions_with_click}) + 0.960364705173531))"
    " / ({sessions} + 3.841458820694124))"
)

_QUERY_RANKINGS: Final = {
    QueryList.TOP: Ranking("{sessions}", bound="{sessions}"),
    QueryList.RISING: Ranking(
        "({sessions} - {previous_sessions})",
        "{sessions} > {previous_sessions}",
        bound="{sessions}",
        least=1,
    ),
    QueryList.NO_RESULT: Ranking(
        "{zero_result_sessions}",
        "{zero_result_sessions} > 0",
        bound="{zero_result_sessions}",
        least=1,
        bounded_by="zero_result_sessions = 1",
    ),
    QueryList.NO_CLICK: Ranking(
        "{sessions_with_results}",
        "{sessions_with_results} >= {least} AND {sessions_without_click} = {sessions_with_results}",
        bound="{sessions_without_click}",
        bounded_by="sessions_without_click = 1",
    ),
    QueryList.LOW_CTR: Ranking(
        "({sessions} - {sessions_with_click})",
        f"{_SESSION_CTR_HIGH} < {{overall}}",
        needs_overall=True,
        bound="({sessions} - {sessions_with_click})",
    ),
}
QUERY_COLUMNS: Final = (
    "sessions", "zero_result_sessions", "sessions_with_results", "sessions_without_click",
    "sessions_with_click",
)  # fmt: skip
"""The sums that these rankings name."""

_OBJECT_RANKINGS: Final = {
    ObjectList.TOP: Ranking("{clicked_impressions}", "{impressions} >= {min_impressions}"),
    ObjectList.NEVER_CLICKED: Ranking(
        "{impressions}", "{clicked_impressions} = 0 AND {impressions} >= {min_impressions}"
    ),
}
OBJECT_COLUMNS: Final = ("impressions", "clicked_impressions")


def usual_min_sessions(chosen: QueryList | None) -> int:
    """How often a query of the list was searched, if nothing else is asked for. One search without
    a click tells nothing of its query, and most queries were searched once."""
    return 2 if chosen is QueryList.NO_CLICK else 1


def query_ranking(chosen: QueryList, min_sessions: int, *, ascending: bool) -> Ranking:
    """`min_sessions` of `no_click` is of searches with results, and stands in the ranking."""
    ranking = _QUERY_RANKINGS[chosen]
    if chosen is QueryList.NO_CLICK:
        ranking = replace(ranking, least=min_sessions)
    return replace(ranking, ascending=ascending, bound=None if ascending else ranking.bound)


def object_ranking(chosen: ObjectList, min_impressions: int) -> Ranking:
    return replace(_OBJECT_RANKINGS[chosen], min_impressions=min_impressions)
