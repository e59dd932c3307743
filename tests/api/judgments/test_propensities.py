"""What is told of positions with few clicks."""

from __future__ import annotations

import numpy as np

from api.judgments.examination import Examination
from api.judgments.judge import PositionEffects
from api.judgments.propensities import FEWEST_CLICKS, propensity_rows

NAN = float("nan")


def test_a_position_with_too_few_clicks_has_no_examination() -> None:
    values, low = np.array([1.0, 0.5, 7.8e-9, 0.2]), np.array([1.0, 0.4, NAN, 0.1])
    found = Examination(values, low, values * 2, 1, 30, 9)
    clicks = np.array([90.0, 40.0, 12.0, FEWEST_CLICKS - 1])
    shown = np.full(4, 100.0)
    rows = propensity_rows(PositionEffects(shown, clicks, found, None, 1))
    assert [row.examination for row in rows] == [1.0, 0.5, None, None]
    assert [row.low for row in rows] == [1.0, 0.4, None, None]
    assert [row.clicks for row in rows] == clicks.tolist()
