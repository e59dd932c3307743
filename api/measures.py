"""Counts → metrics as clients see them. Pure. docs/metrics.md has the definitions."""

from __future__ import annotations

from api.queries import OverviewRow, PositionRow, QueryRow
from api.responses import Overview, PositionStatistics, QueryStatistics, Range


def rate(part: float, whole: int) -> float | None:
    """`part / whole`; None when `whole` is 0."""
    return part / whole if whole else None


def overview(counted: OverviewRow, over: Range) -> Overview:
    """The metrics of all selected sessions together."""
    return Overview(
        range=over,
        sessions=counted.sessions,
        users=counted.users,
        zero_result_sessions=counted.zero_result_sessions,
        zero_result_rate=rate(counted.zero_result_sessions, counted.sessions),
        impressions=counted.impressions,
        events=counted.events,
        unlisted_events=counted.unlisted_events,
        clicks=counted.clicks,
        sessions_with_click=counted.sessions_with_click,
        click_through_rate=rate(counted.sessions_with_click, counted.sessions),
        mean_reciprocal_rank=rate(counted.reciprocal_ranks, counted.sessions),
        irrelevant_sessions=counted.irrelevant_sessions,
        unjoined_events=counted.unjoined_events,
        dead_letters=counted.dead_letters,
    )


def query_statistics(counted: QueryRow) -> QueryStatistics:
    """The metrics of one query."""
    return QueryStatistics(
        search_query=counted.search_query,
        sessions=counted.sessions,
        zero_result_sessions=counted.zero_result_sessions,
        zero_result_rate=rate(counted.zero_result_sessions, counted.sessions),
        impressions=counted.impressions,
        clicks=counted.clicks,
        sessions_with_click=counted.sessions_with_click,
        click_through_rate=rate(counted.sessions_with_click, counted.sessions),
        mean_reciprocal_rank=rate(counted.reciprocal_ranks, counted.sessions),
    )


def position_statistics(counted: PositionRow) -> PositionStatistics:
    """One place of the list in numbers."""
    return PositionStatistics(
        position=counted.position,
        impressions=counted.impressions,
        clicked_impressions=counted.clicked_impressions,
        click_through_rate=rate(counted.clicked_impressions, counted.impressions),
    )
