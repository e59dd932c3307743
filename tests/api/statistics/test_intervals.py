"""Intervals of rates, against SciPy and against what they promise."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from api.statistics.intervals import Interval, wilson


@given(trials=st.integers(1, 10_000), data=st.data(), confidence=st.floats(0.5, 0.999))
def test_wilson_is_that_of_scipy(trials: int, data: st.DataObject, confidence: float) -> None:
    successes = data.draw(st.integers(0, trials))
    expected = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    found = wilson(successes, trials, confidence)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= found.low <= successes / trials <= found.high <= 1


def test_wilson_of_a_textbook_example() -> None:
    """Newcombe 1998, Statistics in Medicine 17, 857-872, table I: 81 of 263, 15 of 148, 0 of 20."""
    for successes, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)):
        found = wilson(successes, trials)
        assert found is not None
        assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 20) == Interval(0.0, pytest.approx(0.1611, abs=5e-5))


def test_no_trials_have_no_interval_and_more_successes_than_trials_are_an_error() -> None:
    assert wilson(0, 0) is None
    for successes, trials in ((2, 1), (-1, 1)):
        with pytest.raises(ValueError, match="successes"):
            wilson(successes, trials)


def test_counts_beyond_64_bits_still_give_finite_numbers() -> None:
    found = wilson(10**30, 4 * 10**30)
    assert found is not None
    assert math.isclose(found.low, 0.25)
    assert math.isclose(found.high, 0.25)


def test_wilson_covers_the_true_rate_as_often_as_it_says() -> None:
    generator = np.random.default_rng(20)
    for rate in (0.02, 0.3):
        hits = generator.binomial(200, rate, 2_000)
        intervals = [wilson(int(count), 200) for count in hits]
        covered = np.mean([i is not None and i.low <= rate <= i.high for i in intervals])
        assert 0.93 <= covered <= 0.97


def test_interval_is_cut_off_at_what_is_possible() -> None:
    assert Interval(-0.2, 1.3).within(0.0, 1.0) == Interval(0.0, 1.0)
    assert Interval(-0.2, 1.3).within(0.0, None) == Interval(0.0, 1.3)
    assert Interval(-0.2, -0.1).within(0.0, None) == Interval(0.0, 0.0)


def test_api_starts_without_scipy() -> None:
    """Its memory is for the first who asks about an experiment."""
    code = "import sys, api.component; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
