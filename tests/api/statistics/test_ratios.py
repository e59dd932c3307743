"""Quotients over users: against SciPy where y is 1, against simulations otherwise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple
from math import isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from api.statistics.ratios import UserSums, difference, ratio, two_sided_p

COUNTS = st.lists(st.integers(0, 1_000), min_size=2, max_size=50)


def sums(x: Sequence[int], y: Sequence[int], parts: int = 1) -> UserSums:
    """As ClickHouse gives them."""
    return UserSums(
        users=len(x),
        x=sum(x),
        y=sum(y),
        xx=sum(each * each for each in x),
        yy=sum(each * each for each in y),
        xy=sum(a * b for a, b in zip(x, y, strict=True)),
        parts=parts,
    )


# SciPy says so of users who are all alike.
@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")
@given(control=COUNTS, treatment=COUNTS)
def test_difference_of_means_is_welchs_test_of_scipy(
    control: list[int], treatment: list[int]
) -> None:
    first, second = (ratio(sums(each, [1] * len(each))) for each in (control, treatment))
    assert first is not None
    assert second is not None
    found = difference(first, second, 0.9)
    if len(set(control)) == len(set(treatment)) == 1:
        assert found is None
        return
    assert found is not None
    expected = stats.ttest_ind(treatment, control, equal_var=False)
    assert isclose(found.p, expected.pvalue, rel_tol=1e-9)
    expected_interval = expected.confidence_interval(0.9)
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(expected_interval))
    assert found.value == pytest.approx(np.mean(treatment) - np.mean(control))


@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")
@given(x=COUNTS)
def test_interval_of_a_mean_is_that_of_scipy(x: list[int]) -> None:
    found = ratio(sums(x, [1] * len(x)))
    assert found is not None
    interval = found.interval(0.95)
    if len(set(x)) == 1:
        assert interval is None
        return
    assert interval is not None
    expected = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))


def searches(
    generator: np.random.Generator, users: int, rate: float
) -> tuple[list[int], list[int]]:
    """Clicks and searches of users who differ: some search much, and each has his own rate, which
    is higher the more he searches."""
    made = generator.geometric(0.2, users)
    rates = np.clip(rate * generator.gamma(2, 0.5, users) * (0.5 + made / 10), 0, 1)
    return [int(n) for n in generator.binomial(made, rates)], [int(n) for n in made]


def test_interval_of_a_quotient_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(7)
    everybody = searches(generator, 300_000, 0.2)
    truth = sum(everybody[0]) / sum(everybody[1])
    covered = 0
    for _ in range(600):
        found = ratio(sums(*searches(generator, 400, 0.2)))
        interval = found and found.interval(0.95)
        covered += interval is not None and interval.low <= truth <= interval.high
    assert 0.92 <= covered / 600 <= 0.98


def test_interval_by_searches_would_be_too_narrow() -> None:
    """Why there are users in it at all: the same data, each search taken for independent."""
    x, y = searches(np.random.default_rng(8), 5_000, 0.2)
    by_user, by_search = ratio(sums(x, y)), sum(x) / sum(y)
    assert by_user is not None
    assert by_user.variance is not None
    assert by_user.variance > 1.5 * by_search * (1 - by_search) / sum(y)


def test_p_is_uniform_when_the_variants_are_alike() -> None:
    generator = np.random.default_rng(9)
    found = []
    for _ in range(600):
        control, treatment = (ratio(sums(*searches(generator, 300, 0.2))) for _ in range(2))
        assert control is not None
        assert treatment is not None
        told = difference(control, treatment, 0.95)
        assert told is not None
        found.append(told.p)
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_relative_difference_covers_the_truth() -> None:
    generator = np.random.default_rng(10)
    covered = 0
    for _ in range(400):
        control = ratio(sums([int(n) for n in generator.poisson(2.0, 500)], [1] * 500))
        treatment = ratio(sums([int(n) for n in generator.poisson(2.2, 500)], [1] * 500))
        assert control is not None
        assert treatment is not None
        told = difference(control, treatment, 0.95)
        assert told is not None
        assert told.relative == pytest.approx(treatment.value / control.value - 1)
        assert told.relative_interval is not None
        covered += told.relative_interval.low <= 0.1 <= told.relative_interval.high
    assert 0.92 <= covered / 400 <= 0.98


def test_parts_of_a_numerator_change_nothing() -> None:
    x, y = [3, 1, 2], [4, 4, 2]
    whole, in_parts = ratio(sums(x, y)), ratio(sums([each * 1_000 for each in x], y, 1_000))
    assert whole is not None
    assert in_parts is not None
    assert astuple(in_parts) == pytest.approx(astuple(whole))


@pytest.mark.parametrize(
    ("x", "y"), [([], []), ([0, 0], [0, 0]), ([0], [0])], ids=["nobody", "no searches", "one user"]
)
def test_nothing_to_divide_by_is_none(x: list[int], y: list[int]) -> None:
    assert ratio(sums(x, y)) is None


def test_one_user_has_a_value_and_no_interval() -> None:
    alone, others = ratio(sums([1], [4])), ratio(sums([1, 0], [1, 1]))
    assert alone is not None
    assert others is not None
    assert (alone.value, alone.interval(0.95)) == (0.25, None)
    assert difference(alone, others, 0.95) is None
    assert difference(others, alone, 0.95) is None


def test_users_who_do_not_differ_have_no_interval() -> None:
    """Also where floats would leave a tiny variance, or one below 0."""
    for x, y in (([0] * 5, [3] * 5), ([7, 21, 35], [11, 33, 55])):
        found = ratio(sums([each * 10**15 for each in x], [each * 10**15 for each in y]))
        assert found is not None
        assert found.variance == 0
        assert found.interval(0.95) is None
        assert difference(found, found, 0.95) is None


def test_a_control_of_0_has_no_relative_difference() -> None:
    control, treatment = ratio(sums([0, 0], [1, 1])), ratio(sums([1, 0, 1], [1, 1, 1]))
    assert control is not None
    assert treatment is not None
    told = difference(control, treatment, 0.95)
    assert told is not None
    assert (told.relative, told.relative_interval) == (None, None)


@given(
    users=st.lists(
        st.tuples(st.integers(0, 10**18), st.integers(0, 10**12)), min_size=0, max_size=20
    ),
    others=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=0, max_size=5),
)
def test_whatever_comes_in_is_json(
    users: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    found = [
        ratio(sums([x for x, _ in each], [y for _, y in each], 232_792_560))
        for each in (users, others)
    ]
    told = difference(found[0], found[1], 0.95) if found[0] and found[1] else None
    parts = [astuple(each) for each in (*found, told) if each is not None]
    intervals = [each.interval(0.95) for each in found if each is not None]
    json.dumps([parts, [astuple(each) for each in intervals if each]], allow_nan=False)


def test_p_of_the_normal_distribution() -> None:
    assert two_sided_p(1.959963984540054) == pytest.approx(0.05)
    assert two_sided_p(0.0) == 1.0
