"""What the flush needs of its store. ClickHouse is one; tests keep one in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final, Protocol

import pyarrow as pa

from core.kafka.partitions import Partition
from schemas.dead_letters import Attempt, attempt_of, republish_header
from stream_processors.decode.batch import RejectedRecord
from stream_processors.join.erasures import Erased
from stream_processors.join.plan import Lookups
from stream_processors.join.stored_ids_filter import Hashes32

ADOPTED: Final = pa.schema(
    [
        pa.field("session_id", pa.string()),
        pa.field("created_at", pa.timestamp("ms")),
        pa.field("session_day", pa.date32()),
        pa.field("waiting", pa.uint64()),
    ]
)
"""Sessions that adopted, and how many events waited for each. One row per session."""


TOUCHED: Final = pa.schema(
    [
        pa.field("session_id", pa.string()),
        pa.field("session_day", pa.date32()),
        pa.field("session_hour", pa.int32()),
        pa.field("is_posted", pa.uint8()),
    ]
)
"""Sessions whose facts are to be computed again. `session_hour` is the hour of created_at since
1970; `is_posted` says that the session itself may be new. One row per session."""


@dataclass(frozen=True, slots=True)
class Adoption:
    """Sessions that adopted all that waited for them (`ADOPTED`), and the ids of those for which
    so many wait that the clean-up adopts them, in portions; or of which one is refused."""

    adopted: pa.Table = field(default_factory=ADOPTED.empty_table)
    left: tuple[str, ...] = ()


Key = tuple[str, str]
"""Session id and event id of a waiting event."""

BEFORE_ALL: Final[Key] = ("", "")


@dataclass(frozen=True, slots=True)
class Portion:
    """The waiting events after one key, up to and with another; `is_last`: no event waits
    beyond."""

    after: Key
    last: Key
    is_last: bool


@dataclass(frozen=True, slots=True)
class FactsPortion:
    """The sessions that lack facts in one of `of` parts of a day. `beyond` are the parameters by
    which their rows are found."""

    day: date
    number: int
    of: int
    beyond: Mapping[str, object]


class Sink(Lookups, Protocol):
    """A store that keeps one row per key: the one of highest version.

    Every method blocks. Every method raises SinkUnavailable when the store does not answer, and may
    then be called again with the same arguments: writing a row twice is the same as once. It raises
    StatementRefused, which is one, when the store answers and refuses: a row of them, or any.
    """

    def stored_session_hashes(
        self, partitions: Sequence[int], of: int
    ) -> Iterator[tuple[Hashes32, Hashes32]]:
        """`hashes_of` every stored session id that belongs to one of these partitions when a topic
        has `of` of them, in blocks. A session may come more than once."""
        ...

    def write(self, table: str, rows: pa.Table) -> None:
        """Insert; when it returns, every later read sees the rows."""
        ...

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Insert into `dead_letters`; a letter's key is its place in Kafka,
        with the epoch."""
        ...

    def read_erased(self, tally: int) -> Erased | None:
        """All that is erased; None when nothing was added since there were `tally` of it."""
        ...

    def erase(self, session_ids: Sequence[str]) -> None:
        """Delete all that is stored of these sessions, for every reader, before it returns."""
        ...

    def erase_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Delete these, likewise."""
        ...

    def adopt(self, sessions: pa.Table) -> Adoption:
        """Write the events that wait for one of these (`KNOWN`, not erased, stored or just about to
        be) into `events`, as `join` would; but none of a session for which very many wait, or of
        which `events` refuses one."""
        ...

    def waiting_portion(self, after: Key) -> Portion | None:
        """The next waiting events after this key: few enough to look through at once. None when
        nothing waits there. Keys are ordered by session and event, in any fixed order of ids that
        begins with ""."""
        ...

    def adopt_waiting(self, portion: Portion) -> pa.Table:
        """Write the events of this portion whose session is stored into `events`. Returns whose
        they were (`ADOPTED`). Most are there already, with the same key and version; the others
        were left, or missed: their session was written by somebody else, just then (a replay, a
        worker whose partition was taken)."""
        ...

    def delete_adopted(self, adopted: pa.Table, portion: Portion | None = None) -> None:
        """Delete the events that wait for one of these (`ADOPTED`) and are in `events`, in this or
        an earlier post, and no others; only those of the portion, if one is given. May leave some,
        or all, to the next time."""
        ...

    def unjoin(self, sessions: pa.Table) -> None:
        """Delete events of these (`SESSION_COLUMNS`), none of which is stored, from `events`: those
        that wait for their session as well, and no others."""
        ...

    def refresh_facts(self, touched: pa.Table) -> None:
        """Compute the facts of these sessions (`TOUCHED`) from all that is stored of them now, and
        store them. Nothing for a session that is not stored, or that is erased."""
        ...

    def facts_progress(self, topics: Iterable[str]) -> Mapping[Partition, int]:
        """Per partition of these topics, how far its records are in the facts: the epoch above
        `OFFSET_BITS` bits of offset. None for a partition that was never noted."""
        ...

    def missing_facts(
        self, sessions: Mapping[int, int], events: Mapping[int, int]
    ) -> Sequence[FactsPortion]:
        """The sessions that have a row from at or beyond these positions (partition → position of
        the topic of sessions, and of events), in portions small enough for one statement."""
        ...

    def refresh_missing_facts(self, portion: FactsPortion) -> None:
        """`refresh_facts` of the sessions of this portion."""
        ...

    def note_facts_progress(self, reached: Mapping[Partition, int], epoch: int) -> None:
        """The facts have all records of this epoch below these offsets. A lower offset than the one
        that is noted changes nothing."""
        ...


# An error may quote what it is about: enough of it to know what went wrong. Characters.
_MOST_ERROR = 2_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A rejected record on its way out, with the moment at which the worker gave up on it, and the
    epoch of its topic."""

    rejected: RejectedRecord
    failed_at_ms: int
    epoch: int

    @property
    def attempt(self) -> Attempt:
        """Which letter it is: a record that was replayed and fails again is not a new one."""
        record = self.rejected.record
        partition = self.rejected.source.partition
        return attempt_of(partition, record.offset, record.headers, self.epoch)

    @property
    def error(self) -> str:
        """For a person, as text that can be encoded."""
        return self.rejected.error[:_MOST_ERROR].encode(errors="backslashreplace").decode()

    def without_content(self) -> DeadLetter:
        """Without key, value and headers, except the header that says what it repeats."""
        headers = republish_header(self.rejected.record.headers)
        empty = self.rejected.record._replace(key=None, value=None, headers=headers)
        size = len(self.rejected.record.key or b"") + len(self.rejected.record.value or b"")
        cut_bytes = self.rejected.cut_bytes + size
        return replace(self, rejected=replace(self.rejected, record=empty, cut_bytes=cut_bytes))
