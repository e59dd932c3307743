"""An estimate → an integer grade from 0 to 4, which evaluation and trainers take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from api.judgments.cells import Floats, Integers

CUT_POINTS: Final = (0.25, 0.5, 1.0, 2.0)
"""Of an estimate divided by what results get on average: from twice the average on, the grade is 4;
from the average on 3; from its half 2; from its quarter 1."""


def grades(values: Floats, average: float, cut_points: Sequence[float] = CUT_POINTS) -> Integers:
    """How many cut points each value reaches, as a multiple of `average`. -1: there is no value."""
    if not average > 0:
        return np.where(np.isfinite(values), 0, -1).astype(np.int64)
    reached = np.searchsorted(np.asarray(cut_points), values / average, side="right")
    return np.where(np.isfinite(values), reached, -1).astype(np.int64)
