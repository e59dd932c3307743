"""The preference of users between two rankings that were interleaved in one list.

A search is won by the ranking of which more results were clicked (Radlinski, Kurup, Joachims 2008,
*How Does Clickthrough Data Reflect Retrieval Quality?*, CIKM). Δ is that of Chapelle et al. 2012,
*Large-Scale Validation and Analysis of Interleaved Search Evaluation*, ACM TOIS 30(1):
(won + tied / 2) / (won + lost + tied) - 1/2, from -1/2 to 1/2.
"""

from __future__ import annotations

from dataclasses import dataclass

from api.statistics.intervals import Interval
from api.statistics.ratios import UserSums, ratio


@dataclass(frozen=True, slots=True)
class Tally:
    """Searches with a credited click, from the side of one of the two rankings.

    `score_squares` and so on are sums over users, of won less lost searches (score) and of all
    these searches.
    """

    won: int
    lost: int
    tied: int
    users: int
    score_squares: int
    search_squares: int
    products: int


@dataclass(frozen=True, slots=True)
class Preference:
    """Δ, and its interval by users (None with less than two)."""

    delta: float
    interval: Interval | None


def preference(tally: Tally, confidence: float) -> Preference | None:
    """None when no search has a credited click."""
    won_less_lost = ratio(
        UserSums(
            users=tally.users,
            x=tally.won - tally.lost,
            y=tally.won + tally.lost + tally.tied,
            xx=tally.score_squares,
            yy=tally.search_squares,
            xy=tally.products,
            parts=2,
        )
    )
    if won_less_lost is None:
        return None
    interval = won_less_lost.interval(confidence)
    return Preference(
        won_less_lost.value, interval.within(-0.5, 0.5) if interval is not None else None
    )
