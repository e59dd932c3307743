"""A `Flush` on a log and a sink in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from core.kafka.partitions import Partition
from schemas.contracts import EVENT, MARK, SESSION
from stream_processors.consume.batches import FetchedBatch
from stream_processors.decode.batch import BatchDecoder
from stream_processors.join import table_columns
from stream_processors.join.plan import FlushRules
from stream_processors.join.recent_sessions import RecentSessions
from stream_processors.join.session_day import DayWindow
from stream_processors.join.stored_ids_filter import StoredIdsFilter
from stream_processors.write.flush import Flush, FlushReport
from stream_processors.write.sink import DeadLetter
from tests.clock import ManualClock
from tests.stream_processors.memory_sink import MemorySink
from tests.stream_processors.records import PARTITIONS, TOPICS, Log

T = TypeVar("T")


def once(action: Callable[[], T]) -> T:
    """A retry that does not."""
    return action()


@dataclass
class DeadLetterList:
    """A dead-letter topic in memory."""

    dead_letters: list[DeadLetter] = field(default_factory=list)

    def publish(self, dead_letters: Sequence[DeadLetter]) -> None:
        self.dead_letters.extend(dead_letters)


@dataclass
class World:
    """A log, a sink, and the worker between them."""

    log: Log = field(default_factory=Log)
    sink: MemorySink = field(default_factory=MemorySink)
    topic: DeadLetterList = field(default_factory=DeadLetterList)
    index_bytes: int = 10_000_000
    most_waiting: int = 10_000
    flush: Flush = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """A new worker: it remembers nothing."""
        decoders = {
            TOPICS.topic_of(c): BatchDecoder(
                c, self.log.schema_id(c), self.log.registry, PARTITIONS
            )
            for c in (SESSION, EVENT, MARK)
        }
        self.flush = Flush(
            FlushRules(TOPICS, DayWindow(past=35, future=1), 0, self.most_waiting),
            decoders,
            self.sink,
            self.topic,
            RecentSessions(self.index_bytes),
            StoredIdsFilter(0, PARTITIONS),
            ManualClock(),
            once,
        )

    def post(self, *records: dict[str, Any]) -> FlushReport:
        """Append these records and flush exactly them."""
        places = [self.log.append(record) for record in records]
        return self._flush([self.log.batch(source, offset, 1) for source, offset in places])

    def post_together(self, records: Sequence[dict[str, Any]]) -> FlushReport:
        """The same, with one batch a partition, as a busy worker would fetch them."""
        first: dict[Partition, int] = {}
        for record in records:
            source, offset = self.log.append(record)
            first.setdefault(source, offset)
        return self._flush([self.log.batch(source, offset) for source, offset in first.items()])

    def flush_everything(self) -> FlushReport:
        """Flush the whole log from its beginning, as a replay would."""
        return self._flush(self.log.batches())

    def _flush(self, batches: Sequence[FetchedBatch]) -> FlushReport:
        report = self.flush(batches)
        self.flush.facts.refresh()
        return report

    def sessions(self) -> dict[str, dict[str, Any]]:
        return {row["session_id"]: row for row in self.sink.tables[table_columns.SESSIONS].values()}

    def events(self) -> dict[tuple[str, str], dict[str, Any]]:
        stored = self.sink.tables[table_columns.EVENTS].values()
        return {(row["session_id"], row["event_id"]): row for row in stored}

    def unjoined(self) -> dict[tuple[Any, ...], dict[str, Any]]:
        return self.sink.tables[table_columns.UNJOINED]

    def irrelevant(self) -> set[str]:
        marks = self.sink.tables[table_columns.MARKS].values()
        return {row["session_id"] for row in marks if row["is_irrelevant"]}
