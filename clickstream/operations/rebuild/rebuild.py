"""The log through the workers' own flush, into the shadow tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from clickstream.operations.progress import Progress
from clickstream.operations.rebuild.bounded_retry import Patience
from clickstream.operations.rebuild.log import Log, Offsets
from clickstream.operations.rebuild.read import LogReader
from core.clock import Clock
from core.errors import SetupError
from core.settings import Settings
from schemas.registry import ConfluentRegistry
from stream_processors.process.assembly import FlushParts, assemble_flush
from stream_processors.write.sink import DeadLetter

# Records that may be left to be read while nobody can read or write: under a second of work.
_SHORT = 20_000

# How long a server may be away in the middle of a replay, seconds.
_PATIENCE_SECONDS = 300.0


class _NoTopic:
    """A dead-letter topic that takes nothing: the workers have published these letters."""

    def publish(self, letters: Sequence[DeadLetter]) -> None:
        """Does nothing."""


class Rebuild:
    """Remembers how far each partition has been read."""

    def __init__(
        self,
        parts: FlushParts,
        reader: LogReader,
        starts: Offsets,
        batch_rows: int,
        patience: Patience,
    ) -> None:
        self._parts = parts
        self._patience = patience
        self._reader = reader
        self._batch_rows = batch_rows
        self.reached = dict(starts)
        self.records = 0

    def read_to(self, ends: Offsets, progress: Progress) -> None:
        """Write all rows of the records below `ends`. Blocks."""
        left = self.left(ends)
        with progress.over("records", left) as advance:
            for batches in self._reader.read(self.reached, ends, self._batch_rows):
                self._parts.flush(batches)
                read = sum(len(batch) for batch in batches)
                self.records += read
                advance(read)
        self.reached.update(ends)

    def catch_up(self, log: Log, progress: Progress) -> None:
        """Read on until hardly anything is left. SetupError when traffic is faster than that."""
        before = None
        while (left := self.left(ends := log.ends())) > _SHORT:
            if before is not None and left >= before:
                raise SetupError(
                    "records come in faster than they are replayed: start it again when there is"
                    " less traffic"
                )
            before = left
            self.read_to(ends, progress)

    def left(self, ends: Offsets) -> int:
        """Offsets between here and there."""
        return sum(end - self.reached[place] for place, end in ends.items())

    def sweep(self) -> None:
        """Delete the unjoined rows of events that have been adopted."""
        self._patience(self._parts.flush.delete_adopted_everywhere)


@contextmanager
def rebuilding(shadow: Settings, starts: Offsets, clock: Clock) -> Iterator[Rebuild]:
    """A rebuild into the database of `shadow`, with the workers' settings in all else."""
    patience = Patience(_PATIENCE_SECONDS)
    with (
        ConfluentRegistry.from_settings(shadow) as registry,
        LogReader(shadow, clock) as reader,
    ):
        parts = assemble_flush(shadow, clock, patience, registry, _NoTopic())
        yield Rebuild(parts, reader, starts, shadow.worker.flush_rows, patience)
