"""Sums of interleaved searches → which team is liked better. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from api.experiments.comparison import is_significant
from api.experiments.responses import TeamPreference
from api.experiments.rows import TeamRow
from api.statistics.false_discovery import benjamini_hochberg
from api.statistics.interleaving import Tally, preference
from api.statistics.sign_test import sign_test


def preferences(rows: Sequence[TeamRow], confidence: float) -> list[TeamPreference]:
    """One of each team, in the order of the rows."""
    p_values = [sign_test(row.won, row.lost) for row in rows]
    adjusted = benjamini_hochberg(p_values)
    return [
        _team(row, p, p_adjusted, confidence)
        for row, p, p_adjusted in zip(rows, p_values, adjusted, strict=True)
    ]


def _team(
    row: TeamRow, p: float | None, p_adjusted: float | None, confidence: float
) -> TeamPreference:
    told = preference(
        Tally(
            won=row.won,
            lost=row.lost,
            tied=row.tied,
            users=row.users,
            score_squares=row.score_squares,
            search_squares=row.search_squares,
            products=row.products,
        ),
        confidence,
    )
    around = told.interval if told else None
    return TeamPreference(
        team=row.team,
        searches=row.searches,
        searches_without_credit=row.searches_without_credit,
        won=row.won,
        lost=row.lost,
        tied=row.tied,
        delta=told.delta if told else None,
        delta_low=around.low if around else None,
        delta_high=around.high if around else None,
        p=p,
        p_adjusted=p_adjusted,
        is_significant=is_significant(p_adjusted, confidence),
        users=row.users,
        users_for=row.users_for,
        users_against=row.users_against,
        users_tied=row.users_tied,
        users_p=sign_test(row.users_for, row.users_against),
    )
