"""How often each pair was shown and clicked at each position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cells:
    """Arrays of one length. `pairs` count from 0, `positions` from 1.

    `clicks` are at most `impressions`; where events have weights, they are sums of these.
    """

    pairs: Integers
    positions: Integers
    impressions: Floats
    clicks: Floats

    @classmethod
    def of(
        cls,
        pairs: Sequence[int] | Integers,
        positions: Sequence[int] | Integers,
        impressions: Sequence[float] | Floats,
        clicks: Sequence[float] | Floats,
    ) -> Cells:
        """Of whatever NumPy makes arrays of."""
        return cls(
            np.asarray(pairs, np.int64),
            np.asarray(positions, np.int64),
            np.asarray(impressions, np.float64),
            np.asarray(clicks, np.float64),
        )

    def at(self, chosen: Booleans) -> Cells:
        """Only these."""
        return Cells(
            self.pairs[chosen],
            self.positions[chosen],
            self.impressions[chosen],
            self.clicks[chosen],
        )

    def of_pairs(self, values: Floats) -> Floats:
        """The sum of a value of each cell over the cells of each pair."""
        return np.bincount(self.pairs, values, self.pair_count).astype(np.float64, copy=False)

    def of_positions(self, values: Floats) -> Floats:
        """The same for each position; element 0 is position 1."""
        return np.bincount(self.positions - 1, values, self.depth).astype(np.float64, copy=False)

    @property
    def pair_count(self) -> int:
        return int(self.pairs.max()) + 1 if len(self.pairs) else 0

    @property
    def depth(self) -> int:
        """The last position."""
        return int(self.positions.max()) if len(self.positions) else 0
