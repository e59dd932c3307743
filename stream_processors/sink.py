"""What the flush needs of its store. ClickHouse is one; tests keep one in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from stream_processors.decode import Poison
from stream_processors.seen import Hashes


class Sink(Protocol):
    """A store that keeps one row per key: the one of highest version.

    Every method blocks. Every method raises SinkUnavailable when the store does not answer, and may
    then be called again with the same arguments: writing a row twice is the same as once.
    """

    def find_sessions(self, session_ids: pa.Array) -> pa.Table:
        """Those of these sessions that are stored, each once (schema `index.KNOWN`)."""
        ...

    def find_unjoined(self, session_ids: pa.Array) -> pa.Table:
        """Events waiting for one of these sessions, each once (schema `rows.UNJOINED_COLUMNS`)."""
        ...

    def stored_session_hashes(self, partitions: Sequence[int]) -> Iterator[tuple[Hashes, Hashes]]:
        """Of every session stored from these partitions, `seen.hashes_of` its id, in blocks. A
        session may come more than once."""
        ...

    def write(self, table: str, rows: pa.Table) -> None:
        """Insert; when it returns, every later read sees the rows."""
        ...

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Insert into `dead_letters`; a letter's key is its place in Kafka."""
        ...

    def sweep_adopted(self) -> None:
        """Delete waiting events whose session is stored: they were adopted before it was."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A poison record on its way out, with the moment at which the worker gave up on it."""

    poison: Poison
    failed_at_ms: int
