"""The log through the workers' own flush, into the tables that the settings name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from clickstream.operations.log_offsets import Offsets
from clickstream.operations.log_reader import LogReader
from clickstream.operations.replay.sink import NoDeadLetterTopic, ReplaySink
from clickstream.progress import ProgressReporter
from core.clock import Clock
from core.kafka.partitions import Partition
from core.retrying import retry
from core.settings import Settings
from schemas.registry import ConfluentRegistry
from stream_processors.process.assembly import assemble_flush
from stream_processors.write.flush import Flush

T = TypeVar("T")

# How long a server may be away in the middle of a replay, seconds. It can be started again.
_LONGEST_WAIT_SECONDS = 300.0


class LogToTables:
    """`records` counts what was read."""

    def __init__(self, flush: Flush, sink: ReplaySink, reader: LogReader, rows: int) -> None:
        """`rows`: how many records to write at once."""
        self._flush = flush
        self._sink = sink
        self._reader = reader
        self._rows = rows
        self.records = 0

    def copy(
        self,
        starts: Offsets,
        ends: Offsets,
        progress: ProgressReporter,
        written: Callable[[Offsets], None],
    ) -> None:
        """Write the rows of all records from `starts` to `ends`, then join what waits. Blocks.

        Calls `written` with how far each partition is written, after each flush. Raises
        Unavailable when a server stays away, and what `written` raises.
        """
        reached: dict[Partition, int] = dict(starts)
        with progress.over("records", sum(ends[p] - start for p, start in starts.items())) as moved:
            for batches in self._reader.read(starts, ends, self._rows):
                self._flush(batches)
                wait_for_server(self._flush.facts.refresh)
                for batch in batches:
                    moved(batch.next - reached[batch.source])
                    reached[batch.source] = batch.next
                    self.records += len(batch)
                written(reached)
        # Events that somebody wrote as unjoined while their session was not there yet.
        while not wait_for_server(self._flush.clean_up_portion):
            pass

    def compute_facts(self, partitions: int) -> None:
        """Of every session, also of those that were not in the log. Blocks for minutes, perhaps."""
        self._flush.facts.assigned(range(partitions))
        while not wait_for_server(lambda: self._flush.facts.step({})):
            pass

    @property
    def on_two_days(self) -> int:
        """See `ReplaySink`."""
        return self._sink.on_two_days


@contextmanager
def log_to_tables(settings: Settings, clock: Clock) -> Iterator[LogToTables]:
    """A worker's decoding, join and writing, put together from the settings."""
    with (
        ConfluentRegistry.from_settings(settings) as registry,
        LogReader(settings, clock) as reader,
    ):
        sink = wait_for_server(lambda: ReplaySink(settings))
        parts = assemble_flush(
            settings, clock, wait_for_server, registry, NoDeadLetterTopic(), sink
        )
        yield LogToTables(parts.flush, sink, reader, settings.worker.flush_rows)


def wait_for_server(action: Callable[[], T]) -> T:
    """Call again while a server is away, for some minutes."""
    return retry(action, seconds=_LONGEST_WAIT_SECONDS)
