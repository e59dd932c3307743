"""Inserts become rarer as parts pile up, and no rarer than numbers may be old."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_processors.process.pacing import paced_seconds


@pytest.mark.parametrize(
    ("parts", "seconds"),
    [(0, 0.25), (300, 0.25), (600, 1.0), (1_200, 4.0), (3_000, 10.0)],
)
def test_the_more_parts_the_longer_between_batches(parts: int, seconds: float) -> None:
    assert paced_seconds(0.25, parts, at_ease=300) == seconds


def test_who_wants_batches_to_be_rare_has_them_no_more_often() -> None:
    assert paced_seconds(60.0, 5_000, at_ease=300) == 60.0


@given(st.floats(0.01, 60), st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 5_000))
def test_it_is_never_less_than_usual_and_never_less_with_more_parts(
    usual: float, fewer: int, more: int, at_ease: int
) -> None:
    fewer, more = sorted((fewer, more))
    assert (
        usual
        <= paced_seconds(usual, fewer, at_ease)
        <= paced_seconds(usual, more, at_ease)
        <= max(usual, 10.0)
    )
