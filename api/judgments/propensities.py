"""What positions do to clicks, as rows."""

from __future__ import annotations

from typing import Final

import numpy as np

from api.judgments.judge import PositionEffects
from api.judgments.responses import Propensity

FEWEST_CLICKS: Final = 10
"""At a position. From fewer, the estimate may be anything down to 0."""


def propensity_rows(effects: PositionEffects) -> list[Propensity]:
    """One of each position from the top to the last that was shown.

    Raises ValueError without an examination.
    """
    if effects.examination is None:
        raise ValueError(effects.refused)
    found = effects.examination
    rows = []
    for place, impressions in enumerate(effects.impressions.tolist()):
        value, low, high = (
            float(each[place]) if place < len(each) and np.isfinite(each[place]) else None
            for each in (found.values, found.low, found.high)
        )
        clicks = float(effects.clicks[place])
        if clicks < FEWEST_CLICKS or low is None:  # without a click where pairs were compared
            value = low = high = None
        rate = clicks / impressions if impressions else None
        rows.append(Propensity(place + 1, value, low, high, int(impressions), clicks, rate))
    return rows
