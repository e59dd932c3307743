"""How many events may wait for one session. What comes beyond becomes a dead letter, and is kept.

An event waits if fewer than so many that came before it in its partition wait for the same session.
So a record that is delivered again meets the same decision, as long as the same events wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stream_processors.join.stored_ids_filter import hashes_of

Mask = npt.NDArray[np.bool_]

CountWaiting = Callable[[pa.Table], pa.Array]

# Counters, each for all sessions of one hash. A quarter of a megabyte.
_COUNTERS: Final = 1 << 16

# The store is asked about sessions for which this part of the cap has waited. So the cap may be
# exceeded by as much for each start of a worker, and usual traffic asks nothing.
_ASK_FROM: Final = 0.1


class WaitingCap:
    """Counts roughly, in bounded memory, for which sessions many events wait, and has the store
    count those exactly. For one thread. What it has forgotten costs accuracy, never an event."""

    def __init__(self, most: int) -> None:
        """`most` events wait for one session."""
        self._most = most
        self._counts = np.zeros(_COUNTERS, dtype=np.uint32)
        self._counted = 0

    def beyond(self, events: pa.Table, count_waiting: CountWaiting) -> Mask:
        """Which of these events, all without their session, are too many.

        Calls `count_waiting` at most once (`plan.Lookups.count_waiting`), for sessions of which
        many events came lately.
        """
        beyond = np.zeros(events.num_rows, dtype=bool)
        rows = self._of_frequent_sessions(events["session_id"].combine_chunks())
        if len(rows):
            beyond[rows] = self._too_many(events.take(pa.array(rows)), count_waiting)
        return beyond

    def _of_frequent_sessions(self, session_ids: pa.Array) -> npt.NDArray[np.int64]:
        if self._counted > _COUNTERS * self._most * _ASK_FROM / 10:
            # Otherwise each counter would be high after days: every session would be asked for.
            self._counts[:] = 0
            self._counted = 0
        _, hashes = hashes_of(session_ids)
        counters = hashes % _COUNTERS
        np.add.at(self._counts, counters, 1)
        self._counted += len(counters)
        return np.flatnonzero(self._counts[counters] >= self._most * _ASK_FROM)

    def _too_many(self, events: pa.Table, count_waiting: CountWaiting) -> Mask:
        sessions = events["session_id"].combine_chunks().dictionary_encode()
        codes = sessions.indices.to_numpy()
        versions = events["version"].to_numpy()
        # By session, and the first posted first: versions fall as offsets rise.
        order = np.lexsort((np.iinfo(np.uint64).max - versions, codes))
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        firsts = order[starts]
        asked = events.select(["session_id", "version"]).take(pa.array(firsts))
        waiting = count_waiting(asked).to_numpy().astype(np.int64)
        counts = np.diff(starts, append=len(order))
        places = np.cumsum(_is_first_of_its_key(events, codes, order))
        before = np.repeat(waiting - places[starts] + 1, counts)
        too_many = np.zeros(len(order), dtype=bool)
        too_many[order] = before + places > self._most
        return too_many


def _is_first_of_its_key(
    events: pa.Table, sessions: npt.NDArray[np.int32], order: npt.NDArray[np.int64]
) -> Mask:
    """In this order, whether an event is the first of its session and event id: an event that was
    posted twice is one."""
    ids = events["event_id"].combine_chunks().dictionary_encode()
    keys = sessions.astype(np.int64) * len(ids.dictionary) + ids.indices.to_numpy()
    _, firsts = np.unique(keys[order], return_index=True)
    is_first = np.zeros(len(order), dtype=bool)
    is_first[firsts] = True
    return is_first
