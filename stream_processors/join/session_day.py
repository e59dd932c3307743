"""The ClickHouse partition of a session, derived once from its `created_at`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_DAY_MS = 86_400_000

# Where sessions go whose created_at is too far from the moment of receipt: one partition for all of
# them, so that a client with a broken clock cannot make a hundred. A date that no search has.
OVERFLOW_DAY = 0


@dataclass(frozen=True, slots=True)
class DayWindow:
    """How many days around the day of receipt have a partition of their own."""

    past: int
    future: int

    def days_of(
        self, created_ms: npt.NDArray[np.int64], received_ms: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int32]:
        """Days since 1970-01-01 per session; `OVERFLOW_DAY` outside the window."""
        created = created_ms // _DAY_MS
        received = received_ms // _DAY_MS
        inside = (created >= received - self.past) & (created <= received + self.future)
        return np.where(inside, created, OVERFLOW_DAY).astype(np.int32)
