"""Writes a plan in the order that makes every crash harmless.

Rejected records, then marks, joined events, adopted events, unjoined events, sessions last. So a
session row that a reader can see proves that the marks and events that came before it are written
(of very many events that waited, the clean-up writes them soon after); and a crash anywhere in
between leaves nothing that a redelivery would not write again under the same keys and versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import pyarrow as pa

from core.clock import Clock
from core.retrying import Retry
from stream_processors.join import table_columns
from stream_processors.join.join import as_known
from stream_processors.join.plan import FlushPlan
from stream_processors.write.sink import Adoption, DeadLetter, Sink


class DeadLetterTopic(Protocol):
    """Where rejected records go, besides the sink's table."""

    def publish(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Blocks until Kafka has acknowledged all; raises BrokerUnavailable."""
        ...


class PlanWriter:
    """Every method blocks until all is durable, and raises only what `retry` gives up on."""

    def __init__(
        self, sink: Sink, dead_letters: DeadLetterTopic, clock: Clock, retry: Retry
    ) -> None:
        self._sink = sink
        self._dead_letters = dead_letters
        self._clock = clock
        self._retry = retry

    def write(self, plan: FlushPlan) -> Adoption:
        """All of it, in the order of this module."""
        dead_letters = [DeadLetter(rejected, self._clock.now_ms()) for rejected in plan.rejected]
        if dead_letters:
            self._retry(partial(self._dead_letters.publish, dead_letters))
            self._retry(partial(self._sink.write_dead_letters, dead_letters))
        self.erase_sessions(plan.erased)
        self._write(table_columns.MARKS, plan.marks)
        self._write(table_columns.EVENTS, plan.joined.events)
        adoption = Adoption()
        if plan.sessions.num_rows:
            adoption = self._retry(partial(self._sink.adopt, as_known(plan.sessions)))
        self._write(table_columns.UNJOINED, plan.joined.unjoined)
        self._write(table_columns.SESSIONS, plan.sessions)
        return adoption

    def _write(self, table: str, rows: pa.Table) -> None:
        if rows.num_rows:
            self._retry(partial(self._sink.write, table, rows))

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
