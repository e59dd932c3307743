"""What the flush needs of its store. ClickHouse is one; tests keep one in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

import pyarrow as pa

from schemas.dead_letters import Attempt, attempt_of, replay_header
from stream_processors.decode.batch import Poison
from stream_processors.join.stored_ids_filter import Hashes
from stream_processors.write.erasures import Erased


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

    def read_erased(self, tally: int) -> Erased | None:
        """All that is erased; None when nothing was added since there were `tally` of it."""
        ...

    def erase(self, session_ids: Sequence[str]) -> None:
        """Delete all that is stored of these sessions, for every reader, before it returns."""
        ...

    def sweep_adopted(self, days: Collection[date] | None = None) -> None:
        """Delete waiting events whose session is stored: they were adopted before it was. With
        `days`, those whose session is stored on one of these, and no other day is looked into."""
        ...


# An error may quote what it is about: enough of it to know what went wrong. Characters.
_MOST_ERROR = 2_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A poison record on its way out, with the moment at which the worker gave up on it."""

    poison: Poison
    failed_at_ms: int

    @property
    def attempt(self) -> Attempt:
        """Which letter it is: a record that was replayed and fails again is not a new one."""
        record = self.poison.record
        return attempt_of(self.poison.source.partition, record.offset, record.headers)

    @property
    def error(self) -> str:
        """For a person, as text that can be encoded."""
        return self.poison.error[:_MOST_ERROR].encode(errors="backslashreplace").decode()

    def without_content(self) -> DeadLetter:
        """Without key, value and headers, except the header that says what it repeats."""
        headers = replay_header(self.poison.record.headers)
        empty = self.poison.record._replace(key=None, value=None, headers=headers)
        size = len(self.poison.record.key or b"") + len(self.poison.record.value or b"")
        cut_bytes = self.poison.cut_bytes + size
        return replace(self, poison=replace(self.poison, record=empty, cut_bytes=cut_bytes))
