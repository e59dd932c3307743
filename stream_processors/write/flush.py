"""One flush: fetched batches → rows in the sink, in the order that makes every crash harmless.

Marks, then joined and adopted events, then unjoined events, sessions last. So a session row that a
reader can see proves that the marks and events that came before it are written; and a crash
anywhere in between leaves nothing that a redelivery would not write again under the same keys and
versions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Protocol, TypeVar

import pyarrow as pa

from core.clock import Clock
from schemas.topics import Topics
from stream_processors.consume.batches import FetchedBatch
from stream_processors.decode.batch import BatchDecoder, Decoded, RejectedRecord
from stream_processors.join import table_columns
from stream_processors.join.erasures import Erased, without_erased
from stream_processors.join.join import (
    Joined,
    anti_join,
    as_known,
    first_post_per_session,
    join,
    new_or_redelivered,
    with_day,
)
from stream_processors.join.recent_sessions import RecentSessions
from stream_processors.join.session_day import DayWindow
from stream_processors.join.stored_ids_filter import StoredIdsFilter
from stream_processors.write.sink import DeadLetter, Sink

T = TypeVar("T")

# A worker that has been idle looks for erasures before it writes, too, seconds: what it takes back
# afterwards no reader sees, but the disk keeps it until the next merge.
_LOOK_SECONDS = 1.0

DecodedTopics = Mapping[str, Decoded]
"""What was decoded of one flush, by topic."""


class DeadLetterTopic(Protocol):
    """Where rejected records go, besides the sink's table."""

    def publish(self, letters: Sequence[DeadLetter]) -> None:
        """Blocks until Kafka has acknowledged all; raises BrokerUnavailable."""
        ...


class Retry(Protocol):
    """Calls until it works: how a flush meets a server that is down."""

    def __call__(self, action: Callable[[], T]) -> T: ...


@dataclass(frozen=True, slots=True)
class FlushRules:
    """What decides the rows, besides the records: the same for every worker of a group."""

    topics: Topics
    window: DayWindow
    epoch: int


@dataclass(frozen=True, slots=True)
class FlushReport:
    """What a flush did, in rows; `duplicates` counts sessions that were already known."""

    sessions: int
    joined: int
    adopted: int
    unjoined: int
    marks: int
    duplicates: int
    rejected: tuple[RejectedRecord, ...]
    erased: int = 0


@dataclass(frozen=True, slots=True)
class _Plan:
    """Everything one flush will write. Fixed before the first insert, so that a retry repeats it.

    `known` are the stored sessions this flush met, new ones included: what the index learns.
    `erased` are sessions that came after their user was erased (`SESSION_COLUMNS`).
    """

    marks: pa.Table
    joined: Joined
    sessions: pa.Table
    known: pa.Table
    erased: pa.Table
    adopted: int
    duplicates: int
    rejected: tuple[RejectedRecord, ...]


class Flush:
    """Decodes, joins and writes. Blocks; one write at a time; keeps only what it has seen."""

    def __init__(
        self,
        rules: FlushRules,
        decoders: Mapping[str, BatchDecoder],
        sink: Sink,
        dead_letters: DeadLetterTopic,
        index: RecentSessions,
        seen: StoredIdsFilter,
        clock: Clock,
        retry: Retry,
    ) -> None:
        self._rules = rules
        self._decoders = decoders
        self._sink = sink
        self._dead_letters = dead_letters
        self._index = index
        self._seen = seen
        self._clock = clock
        self._retry = retry
        self._erased = Erased()
        self._looked_at = -math.inf  # when the erasures were read
        self._adopted_days: set[date] = set()

    def __call__(self, batches: Sequence[FetchedBatch]) -> FlushReport:
        """Both halves."""
        return self.write(self.decode(batches))

    def decode(self, batches: Sequence[FetchedBatch]) -> DecodedTopics:
        """By topic; only topics that have a batch. May run while another flush is written."""
        by_topic: dict[str, list[FetchedBatch]] = {}
        for batch in batches:
            by_topic.setdefault(batch.source.topic, []).append(batch)
        return {
            topic: self._retry(partial(self._decoders[topic].decode, mine))
            for topic, mine in by_topic.items()
        }

    def write(self, decoded: DecodedTopics) -> FlushReport:
        """Write all of it. Returns when it is durable; raises only what `retry` gives up on."""
        if self._clock.monotonic() - self._looked_at > _LOOK_SECONDS:
            self._reload_erasures()
        plan = self._plan(decoded, self._erased)
        self._write(plan)
        # Only now: a session that is remembered is a session that is stored.
        self._index.admit(plan.known)
        self._seen.add(plan.sessions["session_id"].chunks)
        self._take_back_erased(plan)
        if plan.adopted:
            # Perhaps more than those of the sessions that adopted, which is as good.
            self._adopted_days.update(plan.sessions["session_day"].unique().to_pylist())
        return FlushReport(
            sessions=plan.sessions.num_rows,
            joined=plan.joined.events.num_rows,
            adopted=plan.adopted,
            unjoined=plan.joined.unjoined.num_rows,
            marks=plan.marks.num_rows,
            duplicates=plan.duplicates,
            rejected=plan.rejected,
            erased=plan.erased.num_rows,
        )

    def delete_adopted(self) -> None:
        """Delete the waiting events that this one adopted. One attempt; raises SinkUnavailable."""
        self._sink.delete_adopted(self._adopted_days)
        self._adopted_days.clear()

    def delete_adopted_everywhere(self) -> None:
        """Delete the waiting events that anybody adopted. One attempt; raises SinkUnavailable."""
        self._sink.delete_adopted_everywhere()
        self._adopted_days.clear()

    def _plan(self, decoded: DecodedTopics, erased: Erased) -> _Plan:
        rules, topics = self._rules, self._rules.topics
        events = [
            table_columns.event_rows(d.rows, rules.epoch) for d in _of(decoded, topics.events)
        ]
        posted = [
            table_columns.session_rows(
                with_day(first_post_per_session(d.rows), rules.window), rules.epoch
            )
            for d in _of(decoded, topics.sessions)
        ]
        sessions = table_columns.concat(posted, table_columns.SESSION_COLUMNS)
        known = self._known(
            sessions, table_columns.concat(events, table_columns.UNJOINED_COLUMNS), erased
        )
        sessions = new_or_redelivered(sessions, known)
        gone = table_columns.SESSION_COLUMNS.empty_table()
        if erased:
            sessions = without_erased(sessions, erased.of_ids(sessions["session_id"]))
            # Only of those that would be stored: who posts a session again does not own it.
            of_users = erased.of_users(sessions)
            gone = sessions.filter(pa.array(of_users))
            sessions = without_erased(sessions, of_users)
            known = anti_join(known, gone)
            erased = erased.with_sessions(gone["session_id"].to_pylist())
        adopted = table_columns.UNJOINED_COLUMNS.empty_table()
        if sessions.num_rows:
            known = pa.concat_tables([anti_join(known, sessions), as_known(sessions)])
            adopted = self._retry(lambda: self._sink.find_unjoined(_ids(sessions)))
        joined = join(
            table_columns.concat([*events, adopted], table_columns.UNJOINED_COLUMNS), known
        )
        marks = table_columns.concat(
            (table_columns.mark_rows(d.rows, rules.epoch) for d in _of(decoded, topics.marks)),
            table_columns.MARK_COLUMNS,
        )
        return _Plan(
            marks=without_erased(marks, erased.of_ids(marks["session_id"])),
            joined=Joined(
                table_columns.joined_rows(joined.events),
                # An erased session is not known, so its events are among those without a session.
                without_erased(joined.unjoined, erased.of_ids(joined.unjoined["session_id"])),
            ),
            sessions=sessions,
            known=known,
            erased=gone,
            adopted=adopted.num_rows,
            duplicates=sum(d.rows.num_rows for d in _of(decoded, topics.sessions))
            - sessions.num_rows,
            rejected=tuple(p for d in decoded.values() for p in d.rejected if not erased.covers(p)),
        )

    def _known(self, sessions: pa.Table, events: pa.Table, erased: Erased) -> pa.Table:
        """Of the sessions that these records name, the stored ones: memory first, then the sink,
        which is not asked for those that are certainly new, and may still have erased ones."""
        chunks = [*events["session_id"].chunks, *sessions["session_id"].chunks]
        named = pa.chunked_array(chunks, pa.string())
        distinct = pa.table({"session_id": named.unique()})
        remembered = self._index.find(distinct["session_id"].combine_chunks())
        missing = anti_join(distinct, remembered)
        missing = missing.filter(pa.array(~self._seen.certainly_not_stored(_ids(missing))))
        if not missing.num_rows:
            return remembered
        looked_up = self._retry(lambda: self._sink.find_sessions(_ids(missing)))
        looked_up = without_erased(looked_up, erased.of_ids(looked_up["session_id"]))
        return pa.concat_tables([remembered, looked_up])

    def _write(self, plan: _Plan) -> None:
        letters = [DeadLetter(rejected, self._clock.now_ms()) for rejected in plan.rejected]
        if letters:
            self._retry(lambda: self._dead_letters.publish(letters))
            self._retry(lambda: self._sink.write_dead_letters(letters))
        self._erase(plan.erased)
        for table, part in (
            (table_columns.MARKS, plan.marks),
            (table_columns.EVENTS, plan.joined.events),
            (table_columns.UNJOINED, plan.joined.unjoined),
            (table_columns.SESSIONS, plan.sessions),
        ):
            if part.num_rows:
                self._retry(partial(self._sink.write, table, part))

    def _reload_erasures(self) -> bool:
        """Whether there are any that were not heeded so far."""
        newer = self._retry(partial(self._sink.read_erased, self._erased.tally))
        self._looked_at = self._clock.monotonic()
        if newer is None:
            return False
        self._erased = newer
        self._index.forget(newer.of_ids)
        return True

    def _take_back_erased(self, plan: _Plan) -> None:
        """Take back what was erased while it was being written.

        After the writing and before the commit. So whoever has announced an erasure and then sees
        everything committed that was in the log by then knows: whatever was written without heeding
        it was there before the announcement, or has been taken back here. This holds also for a
        worker that has slept through the loss of its partitions and writes far too late.
        """
        if not self._reload_erasures():
            return
        gone = plan.sessions.filter(pa.array(self._erased.of_users(plan.sessions)))
        if gone.num_rows:
            self._erased = self._erased.with_sessions(gone["session_id"].to_pylist())
            self._index.forget(self._erased.of_ids)
            self._erase(gone)
        written = (plan.sessions, plan.joined.events, plan.joined.unjoined, plan.marks)
        named = pa.chunked_array(
            [chunk for table in written for chunk in table["session_id"].chunks], pa.string()
        ).unique()
        late = named.filter(pa.array(self._erased.of_ids(named)))
        if len(late):
            self._retry(partial(self._sink.erase, late.to_pylist()))

    def _erase(self, sessions: pa.Table) -> None:
        """Sessions whose user is erased, and which nobody has recorded yet."""
        if sessions.num_rows:
            # Recorded first: what waits or comes without its session would not be recognised.
            erased = table_columns.erased_rows(sessions)
            self._retry(partial(self._sink.write, table_columns.ERASED_SESSIONS, erased))
            self._retry(partial(self._sink.erase, sessions["session_id"].to_pylist()))


def _of(decoded: DecodedTopics, topic: str) -> Iterator[Decoded]:
    """What was decoded of this topic, if it left any rows."""
    if topic in decoded and decoded[topic].rows.num_rows:
        yield decoded[topic]


def _ids(table: pa.Table) -> pa.Array:
    return table["session_id"].combine_chunks()
