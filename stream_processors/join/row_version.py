"""The row version that makes ReplacingMergeTree keep the right record of a key."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# 48 bits of offset are 281 trillion records in one partition; 15 bits of epoch are 32,768
# re-creations of a topic. Changing the split reorders rows that are already stored.
OFFSET_BITS = 48

Versions = npt.NDArray[np.uint64]


def last_wins(offsets: npt.NDArray[np.int64], epoch: int) -> Versions:
    """Rises with the offset: for marks, whose last word counts."""
    return np.uint64(epoch << OFFSET_BITS) | offsets.astype(np.uint64)


def first_wins(offsets: npt.NDArray[np.int64], epoch: int) -> Versions:
    """Falls as the offset rises: for sessions and events, whose first posting counts."""
    return np.uint64(2**64 - 1) - last_wins(offsets, epoch)
