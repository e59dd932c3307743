"""Δ of interleaved lists: by hand, and against a simulation whose preference is known."""

from __future__ import annotations

import numpy as np
import pytest

from api.statistics.interleaving import Preference, Tally, preference


def tally(users: list[tuple[int, int, int]]) -> Tally:
    """Of (won, lost, tied) of each user."""
    scores = [(won - lost, won + lost + tied) for won, lost, tied in users]
    won, lost, tied = (sum(user[place] for user in users) for place in range(3))
    return Tally(
        won=won,
        lost=lost,
        tied=tied,
        users=len(users),
        score_squares=sum(score * score for score, _ in scores),
        search_squares=sum(searches * searches for _, searches in scores),
        products=sum(score * searches for score, searches in scores),
    )


def test_delta_by_hand() -> None:
    """Won 3, lost 1, tied 2: (3 + 1) / 6 - 1/2 = 1/6."""
    found = preference(tally([(2, 0, 1), (1, 1, 0), (0, 0, 1)]), 0.95)
    assert found is not None
    assert found.delta == pytest.approx(1 / 6)
    assert found.interval is not None
    assert found.interval.low < 1 / 6 < found.interval.high


def test_no_searches_have_no_preference() -> None:
    assert preference(tally([]), 0.95) is None


def test_one_user_has_no_interval_and_users_who_agree_neither() -> None:
    assert preference(tally([(1, 0, 0)]), 0.95) == Preference(0.5, None)
    assert preference(tally([(2, 0, 0), (1, 0, 0)]), 0.95) == Preference(0.5, None)


def test_interval_stays_within_what_is_possible() -> None:
    found = preference(tally([(1, 0, 0)] * 3 + [(0, 1, 0)]), 0.999)
    assert found is not None
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (-0.5, 0.5)


def test_interval_covers_the_true_preference_as_often_as_it_says() -> None:
    """Each user has his own inclination, and searches one to ten times."""
    generator = np.random.default_rng(12)
    covered = 0
    for _ in range(500):
        users = []
        for inclination in generator.beta(6, 4, 200):
            searches = int(generator.integers(1, 11))
            tied = int(generator.binomial(searches, 0.3))
            won = int(generator.binomial(searches - tied, inclination))
            users.append((won, searches - tied - won, tied))
        found = preference(tally(users), 0.95)
        assert found is not None
        assert found.interval is not None
        covered += found.interval.low <= 0.7 * (0.6 - 0.5) <= found.interval.high
    assert 0.92 <= covered / 500 <= 0.98
