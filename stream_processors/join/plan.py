"""Decides every row that one flush writes. Pure, but for two look-ups of stored rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from core.retrying import Retry
from core.telemetry import WORKER_LOOK_UP_SECONDS, WORKER_LOOKED_UP
from core.tracing import traced_step
from schemas.dead_letters import Reason
from schemas.topics import Topics
from stream_processors.decode.batch import Decoded, RejectedRecord
from stream_processors.decode.topics import DecodedTopics
from stream_processors.join import table_columns
from stream_processors.join.erasures import Erased, without_erased
from stream_processors.join.join import (
    Joined,
    anti_join,
    as_known,
    first_post_per_session,
    join,
    join_stored,
    new_or_redelivered,
    with_day,
)
from stream_processors.join.recent_sessions import STORED, RecentSessions
from stream_processors.join.session_day import DayWindow
from stream_processors.join.stored_ids_filter import StoredIdsFilter
from stream_processors.join.waiting_cap import WaitingCap


class Lookups(Protocol):
    """What a plan asks the store. Both block and raise SinkUnavailable."""

    def find_sessions(self, session_ids: pa.Array) -> pa.Table:
        """Those of these sessions that are stored, each once (schema `recent_sessions.STORED`)."""
        ...

    def find_positions(self, asked: pa.Table) -> pa.Array:
        """For each row of `asked` (`STORED` and `object_id`), the first place of the object in that
        version of its session's list, from 1; 0 where it is not in it. As unsigned 16-bit."""
        ...

    def count_waiting(self, asked: pa.Table) -> pa.Array:
        """For each row of `asked` (session_id, version), how many events wait for the session that
        were posted before the one of this version. As unsigned 64-bit."""
        ...


@dataclass(frozen=True, slots=True)
class FlushRules:
    """What decides the rows, besides the records: the same for every worker of a group."""

    topics: Topics
    window: DayWindow
    epoch: int
    most_waiting: int


@dataclass(frozen=True, slots=True)
class FlushPlan:
    """Everything one flush will write. Fixed before the first insert, so that a retry repeats it.

    `known` are the sessions with their lists, new ones included: what the index learns.
    `erased` are sessions that came after their user was erased (`SESSION_COLUMNS`).
    `duplicates` counts sessions that were already known. `sources`: of which records the rows of
    each table are.
    """

    marks: pa.Table
    joined: Joined
    sessions: pa.Table
    known: pa.Table
    erased: pa.Table
    duplicates: int
    rejected: tuple[RejectedRecord, ...]
    sources: Mapping[str, Decoded]


@dataclass(frozen=True, slots=True)
class _Sessions:
    """The sessions of one flush: to be written; known afterwards, with their lists; looked up,
    without their lists; and not written since erased."""

    new: pa.Table
    known: pa.Table
    stored: pa.Table
    erased: pa.Table


class FlushPlanner:
    """Decoded records → the plan of their flush. Changes nothing in the index and the store."""

    def __init__(
        self,
        rules: FlushRules,
        index: RecentSessions,
        stored_ids: StoredIdsFilter,
        lookups: Lookups,
        retry: Retry,
    ) -> None:
        self._rules = rules
        self._index = index
        self._stored_ids = stored_ids
        self._lookups = lookups
        self._retry = retry
        self._cap = WaitingCap(rules.most_waiting)

    def plan(self, decoded: DecodedTopics, erased: Erased) -> FlushPlan:
        """Blocks for the look-ups; raises only what `retry` gives up on."""
        epoch, topics = self._rules.epoch, self._rules.topics
        events = [table_columns.event_rows(d.rows, epoch) for d in _of(decoded, topics.events)]
        marks = [table_columns.mark_rows(d.rows, epoch) for d in _of(decoded, topics.marks)]
        events_, marks_ = (
            table_columns.concat(events, table_columns.UNJOINED_COLUMNS),
            table_columns.concat(marks, table_columns.MARK_COLUMNS),
        )
        sessions = self._sessions(decoded, events_, erased)
        erased = erased.with_sessions(sessions.erased["session_id"].to_pylist())
        joined = join(events_, sessions.known)
        of_stored, unjoined = self._join_stored(joined.unjoined, sessions.stored)
        # An erased session is not known, so its events are among those without a session.
        unjoined = without_erased(unjoined, erased.of_ids(unjoined["session_id"]))
        unjoined, too_many = self._within_cap(unjoined, decoded)
        rejected = [r for d in decoded.values() for r in d.rejected if not erased.covers(r)]
        return FlushPlan(
            marks=without_erased(marks_, erased.of_ids(marks_["session_id"])),
            joined=Joined(
                table_columns.concat(
                    [table_columns.joined_rows(joined.events), of_stored],
                    table_columns.EVENT_COLUMNS,
                ),
                unjoined,
            ),
            sessions=sessions.new,
            known=sessions.known,
            erased=sessions.erased,
            duplicates=sum(d.rows.num_rows for d in _of(decoded, topics.sessions))
            - sessions.new.num_rows,
            rejected=(*rejected, *too_many),
            sources={
                table: decoded[topic]
                for table, topic in (
                    (table_columns.SESSIONS, topics.sessions),
                    (table_columns.EVENTS, topics.events),
                    (table_columns.UNJOINED, topics.events),
                    (table_columns.MARKS, topics.marks),
                )
                if topic in decoded
            },
        )

    def _within_cap(
        self, unjoined: pa.Table, decoded: DecodedTopics
    ) -> tuple[pa.Table, list[RejectedRecord]]:
        """The events that wait, and those that are too many for their session."""
        if not unjoined.num_rows:
            return unjoined, []
        beyond = self._cap.beyond(unjoined, self._count_waiting)
        if not beyond.any():
            return unjoined, []
        too_many = unjoined.filter(pa.array(beyond))
        events = decoded[self._rules.topics.events]
        error = (
            f"{self._rules.most_waiting:,} events wait already for this session, which has not come"
        )
        records = zip(
            too_many["kafka_partition"].to_pylist(),
            too_many["kafka_offset"].to_pylist(),
            strict=True,
        )
        rejected = [events.reject(*place, Reason.TOO_MANY_WAITING, error) for place in records]
        return unjoined.filter(pa.array(~beyond)), rejected

    def _count_waiting(self, asked: pa.Table) -> pa.Array:
        WORKER_LOOKED_UP.labels("waiting").inc(asked.num_rows)
        with WORKER_LOOK_UP_SECONDS.labels("waiting").time():
            return self._retry(lambda: self._lookups.count_waiting(asked))

    def _sessions(self, decoded: DecodedTopics, events: pa.Table, erased: Erased) -> _Sessions:
        rules = self._rules
        posted = [
            table_columns.session_rows(
                with_day(first_post_per_session(d.rows), rules.window), rules.epoch
            )
            for d in _of(decoded, rules.topics.sessions)
        ]
        sessions = table_columns.concat(posted, table_columns.SESSION_COLUMNS)
        known, stored = self._known(sessions, events, erased)
        versions = [table.select(["session_id", "version"]) for table in (known, stored)]
        new = new_or_redelivered(sessions, pa.concat_tables(versions))
        of_erased_users = table_columns.SESSION_COLUMNS.empty_table()
        if erased:
            new = without_erased(new, erased.of_ids(new["session_id"]))
            # Only of those that would be stored: who posts a session again does not own it.
            of_users = erased.of_users(new)
            of_erased_users = new.filter(pa.array(of_users))
            new = without_erased(new, of_users)
            known, stored = (anti_join(each, of_erased_users) for each in (known, stored))
        if new.num_rows:
            known = pa.concat_tables([anti_join(known, new), as_known(new)])
            stored = anti_join(stored, new)
        return _Sessions(new, known, stored, of_erased_users)

    def _join_stored(self, events: pa.Table, stored: pa.Table) -> tuple[pa.Table, pa.Table]:
        """The events of sessions that were looked up (`EVENT_COLUMNS`), and all others."""
        rows = pc.index_in(events["session_id"], value_set=_ids(stored))
        found = pc.is_valid(rows)
        if not pc.any(found).as_py():
            return table_columns.EVENT_COLUMNS.empty_table(), events
        ours = events.filter(found)
        asked = stored.take(rows.filter(found)).append_column("object_id", ours["object_id"])
        positions = self._retry(lambda: self._lookups.find_positions(asked))
        joined = table_columns.joined_rows(join_stored(ours, stored, positions))
        return joined, events.filter(pc.invert(found))

    def _known(
        self, sessions: pa.Table, events: pa.Table, erased: Erased
    ) -> tuple[pa.Table, pa.Table]:
        """The stored ones of the sessions that these records name: `KNOWN` and `STORED`.

        The index is asked first. The store is asked for the others, except those that the filter
        knows not to be stored; what it returns may still hold erased sessions.
        """
        chunks = [*events["session_id"].chunks, *sessions["session_id"].chunks]
        named = pa.chunked_array(chunks, pa.string())
        distinct = pa.table({"session_id": named.unique()})
        remembered = self._index.find(distinct["session_id"].combine_chunks())
        missing = anti_join(distinct, remembered)
        missing = missing.filter(pa.array(~self._stored_ids.certainly_not_stored(_ids(missing))))
        if not missing.num_rows:
            return remembered, STORED.empty_table()
        WORKER_LOOKED_UP.labels("session").inc(missing.num_rows)
        with WORKER_LOOK_UP_SECONDS.labels("session").time(), traced_step("look up sessions"):
            looked_up = self._retry(lambda: self._lookups.find_sessions(_ids(missing)))
        looked_up = without_erased(looked_up, erased.of_ids(looked_up["session_id"]))
        return remembered, looked_up


def _of(decoded: DecodedTopics, topic: str) -> Iterator[Decoded]:
    """What was decoded of this topic, if it left any rows."""
    if topic in decoded and decoded[topic].rows.num_rows:
        yield decoded[topic]


def _ids(table: pa.Table) -> pa.Array:
    return table["session_id"].combine_chunks()
