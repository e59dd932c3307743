"""Writes a plan in the order that makes every crash harmless.

Rejected records, then marks, joined events, adopted events, unjoined events, sessions last. So a
session row that a reader can see proves that the marks and events that came before it are written
(of very many events that waited, the clean-up writes them soon after); and a crash anywhere in
between leaves nothing that a redelivery would not write again under the same keys and versions.

A row that ClickHouse refuses although it takes others of the same table becomes a dead letter. If
it is a session's, the events that were joined to it go back to those that wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from core.clock import Clock
from core.retrying import Retry
from schemas.dead_letters import Reason
from stream_processors.decode.batch import Decoded, RejectedRecord
from stream_processors.join import table_columns
from stream_processors.join.join import anti_join, as_known
from stream_processors.join.plan import FlushPlan
from stream_processors.write.refused_rows import RefusedRow, write_all_but_refused
from stream_processors.write.sink import Adoption, DeadLetter, Sink


class DeadLetterTopic(Protocol):
    """Where rejected records go, besides the sink's table."""

    def publish(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Blocks until Kafka has acknowledged all; raises BrokerUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a plan. `rejected`: records whose rows ClickHouse refused. `not_stored`: those
    sessions of the plan that are not stored for that (`SESSION_COLUMNS`)."""

    adoption: Adoption
    rejected: tuple[RejectedRecord, ...]
    not_stored: pa.Table


class PlanWriter:
    """Every method blocks until all is durable, and raises only what `retry` gives up on."""

    def __init__(
        self, sink: Sink, dead_letters: DeadLetterTopic, epoch: int, clock: Clock, retry: Retry
    ) -> None:
        """`epoch` is that of the topics (`schemas.topic_epochs`)."""
        self._sink = sink
        self._dead_letters = dead_letters
        self._epoch = epoch
        self._clock = clock
        self._retry = retry

    def write(self, plan: FlushPlan) -> Written:
        """All of it, in the order of this module."""
        self._reject(plan.rejected)
        self.erase_sessions(plan.erased)
        refused = self._write(plan, table_columns.MARKS, plan.marks)
        refused += self._write(plan, table_columns.EVENTS, plan.joined.events)
        adoption = Adoption()
        if plan.sessions.num_rows:
            adoption = self._retry(partial(self._sink.adopt, as_known(plan.sessions)))
        refused += self._write(plan, table_columns.UNJOINED, plan.joined.unjoined)
        sessions = self._write(plan, table_columns.SESSIONS, plan.sessions)
        not_stored = plan.sessions.slice(0, 0)
        if sessions:
            not_stored = self._not_stored(pa.concat_tables(each.row for each, _ in sessions))
            refused += self._unjoin(plan, not_stored)
        rejected = tuple(record for _, record in (*refused, *sessions))
        self._reject(rejected)
        return Written(adoption, rejected, not_stored)

    def _reject(self, rejected: Sequence[RejectedRecord]) -> None:
        if dead_letters := self._dead_letters_of(rejected):
            self._retry(partial(self._dead_letters.publish, dead_letters))
            self._retry(partial(self._sink.write_dead_letters, dead_letters))

    def _dead_letters_of(self, rejected: Sequence[RejectedRecord]) -> list[DeadLetter]:
        now = self._clock.now_ms()
        return [DeadLetter(each, now, self._epoch) for each in rejected]

    def _write(
        self, plan: FlushPlan, table: str, rows: pa.Table
    ) -> list[tuple[RefusedRow, RejectedRecord]]:
        """Returns the rows that are refused, and their records."""
        if not rows.num_rows:
            return []
        write = partial(self._sink.write, table)
        refused = self._retry(lambda: write_all_but_refused([rows], write))
        source = plan.sources[table]
        return [(each, _record_of(each, source)) for each in refused]

    def _not_stored(self, sessions: pa.Table) -> pa.Table:
        ids = sessions["session_id"].combine_chunks()
        return anti_join(sessions, self._retry(lambda: self._sink.find_sessions(ids)))

    def _unjoin(
        self, plan: FlushPlan, sessions: pa.Table
    ) -> list[tuple[RefusedRow, RejectedRecord]]:
        """The events that were written as joined to these sessions wait for them from now on: those
        of this flush, and those that waited before."""
        if not sessions.num_rows:
            return []
        events = plan.joined.events
        events = events.filter(pc.is_in(events["session_id"], sessions["session_id"].unique()))
        waiting = events.select(table_columns.UNJOINED_COLUMNS.names)
        refused = self._write(plan, table_columns.UNJOINED, waiting)
        self._retry(partial(self._sink.unjoin, sessions))
        return refused

    def erase_sessions(self, sessions: pa.Table) -> None:
        """Record these sessions (`SESSION_COLUMNS`) as erased, then delete what is stored of them.

        Recorded first: an event that waits, or comes without its session, is recognised by it.
        """
        if sessions.num_rows:
            recorded = table_columns.erased_rows(sessions)
            self._retry(partial(self._sink.write, table_columns.ERASED_SESSIONS, recorded))
            self.erase_ids(sessions["session_id"].to_pylist())

    def erase_ids(self, session_ids: Sequence[str]) -> None:
        """Delete what is stored of these sessions."""
        if session_ids:
            self._retry(partial(self._sink.erase, session_ids))

    def erase_rejected(self, rejected: Sequence[RejectedRecord]) -> None:
        """Delete the dead letters of these."""
        if dead_letters := self._dead_letters_of(rejected):
            self._retry(partial(self._sink.erase_dead_letters, dead_letters))


def _record_of(refused: RefusedRow, source: Decoded) -> RejectedRecord:
    partition, offset = (
        int(refused.row[name][0].as_py()) for name in ("kafka_partition", "kafka_offset")
    )
    return source.reject(partition, offset, Reason.REFUSED_BY_SINK, refused.error)
