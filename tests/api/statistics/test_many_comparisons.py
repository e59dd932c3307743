"""Corrected p values, sample ratio, sample size and the sign test, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from api.statistics.false_discovery import benjamini_hochberg
from api.statistics.ratios import Ratio
from api.statistics.sample_ratio import sample_ratio_p
from api.statistics.sample_size import users_needed
from api.statistics.sign_test import sign_test


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_benjamini_hochberg_is_that_of_scipy(p_values: list[float]) -> None:
    expected = stats.false_discovery_control(p_values, method="bh")
    assert benjamini_hochberg(p_values) == pytest.approx(list(expected))


def test_what_was_not_compared_does_not_count() -> None:
    assert benjamini_hochberg([None, 0.02, None, 0.04]) == [None, 0.04, None, 0.04]
    assert benjamini_hochberg([]) == []
    assert benjamini_hochberg([None]) == [None]


@given(
    counts=st.lists(st.integers(0, 10**6), min_size=2, max_size=6),
    shares=st.lists(st.floats(0.1, 10), min_size=6, max_size=6),
)
def test_sample_ratio_is_the_chi_square_test_of_scipy(
    counts: list[int], shares: list[float]
) -> None:
    names = "abcdef"[: len(counts)]
    expected = dict(zip(names, shares, strict=False))
    found = sample_ratio_p(dict(zip(names, counts, strict=True)), expected)
    if not sum(counts):
        assert found is None
        return
    wanted = np.array(shares[: len(counts)]) / sum(shares[: len(counts)]) * sum(counts)
    assert found == pytest.approx(stats.chisquare(counts, wanted).pvalue, abs=1e-12)


def test_sample_ratio_of_a_split_that_went_wrong() -> None:
    """Of the order of those that experiments were stopped for: 50.2 % in place of 50 %."""
    p = sample_ratio_p({"a": 821_588, "b": 815_482}, {"a": 1, "b": 1})
    assert p == pytest.approx(1.8e-6, rel=0.05)


@pytest.mark.parametrize(
    ("observed", "expected", "p"),
    [
        ({}, {}, None),
        ({"a": 0, "b": 0}, {"a": 1, "b": 1}, None),
        ({"a": 5}, {"a": 1}, None),
        ({"a": 5, "b": 5}, {"a": 1}, 0.0),
        ({"a": 5, "b": 5}, {"a": 1, "b": 0}, 0.0),
        ({"a": 5, "b": 0}, {"a": 1, "b": 0}, None),
        ({"a": 10}, {"a": 1, "b": 1}, pytest.approx(0.00156540226)),
    ],
)
def test_sample_ratio_at_its_edges(
    observed: dict[str, int], expected: dict[str, float], p: float | None
) -> None:
    assert sample_ratio_p(observed, expected) == p


def test_sample_size_of_a_textbook_example() -> None:
    """Two means that differ by half a standard deviation, 5 % and 80 %: 63 a group (Cohen 1988,
    64 with Student's distribution in place of the normal one)."""
    control = Ratio(users=100, value=1.0, variance=1 / 100)
    assert users_needed(control, 0.5, 0.95, 0.8) == 63
    assert users_needed(control, -0.5, 0.95, 0.8) == 63


def test_that_many_users_find_the_effect_as_often_as_wanted() -> None:
    generator = np.random.default_rng(11)
    needed = users_needed(Ratio(users=10, value=2.0, variance=2.0 / 10), 0.1, 0.95, 0.8)
    assert needed is not None
    found = [
        stats.ttest_ind(generator.poisson(2.0, needed), generator.poisson(2.2, needed)).pvalue
        for _ in range(400)
    ]
    assert 0.74 <= np.mean(np.array(found) < 0.05) <= 0.86


@pytest.mark.parametrize(
    "control",
    [Ratio(1, 0.5, None), Ratio(9, 0.5, 0.0), Ratio(9, 0.0, 0.1), Ratio(10**6, 1e-9, 1.0)],
    ids=["one user", "no variance", "value 0", "more than there are people"],
)
def test_sample_size_that_cannot_be_told(control: Ratio) -> None:
    assert users_needed(control, 0.01, 0.95, 0.8) is None


@given(won=st.integers(0, 3_000), lost=st.integers(0, 3_000))
def test_sign_test_is_the_binomial_test_of_scipy(won: int, lost: int) -> None:
    if won + lost == 0:
        assert sign_test(won, lost) is None
        return
    expected = stats.binomtest(won, won + lost).pvalue
    assert sign_test(won, lost) == pytest.approx(expected, rel=1e-7)


def test_sign_test_of_many() -> None:
    assert sign_test(5_000_000, 5_000_000) == 1.0
    assert sign_test(10**9, 10**9 + 10**6) == pytest.approx(0.0, abs=1e-9)
