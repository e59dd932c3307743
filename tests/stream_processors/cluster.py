"""Several workers over one log and one store, every step in the test's hand.

A flush is cut in two: `begin` reads the store and decides what to write, `finish` writes it.
Between the two anything may happen, to this worker or to others; so a crash, a slow insert and a
worker that lost its partitions without noticing are all just interleavings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from core.kafka.partitions import Partition
from schemas.contracts import EVENT, MARK, SESSION
from stream_processors.consume.batches import FetchedBatch
from stream_processors.consume.offset_ledger import OffsetLedger
from stream_processors.decode.batch import BatchDecoder
from stream_processors.join import table_columns
from stream_processors.join.erasures import Erased
from stream_processors.join.plan import FlushRules
from stream_processors.join.recent_sessions import RecentSessions
from stream_processors.join.session_day import DayWindow
from stream_processors.join.stored_ids_filter import Hashes32, StoredIdsFilter
from stream_processors.write.facts_refresh import FactsRefresh
from stream_processors.write.flush import Flush
from stream_processors.write.sink import (
    Adoption,
    DeadLetter,
    FactsPortion,
    Key,
    Portion,
    Sink,
)
from tests.clock import ManualClock
from tests.stream_processors.flushing import DeadLetterList, once
from tests.stream_processors.memory_sink import MemorySink, clean_up
from tests.stream_processors.records import PARTITIONS, TOPICS, Log

Write = Callable[[], object]


class Store(Sink, Protocol):
    """A sink whose tables a test can look at."""

    @property
    def tables(self) -> dict[str, dict[tuple[Any, ...], dict[str, Any]]]:
        """Table → key → row, each key once."""
        ...


@dataclass
class SlowSink:
    """Reads from the store at once, keeps writes back until told."""

    store: Store
    pending: list[Write] = field(default_factory=list)
    is_replay: bool = False

    def find_sessions(self, session_ids: pa.Array) -> pa.Table:
        return self.store.find_sessions(session_ids)

    def find_positions(self, asked: pa.Table) -> pa.Array:
        return self.store.find_positions(asked)

    def count_waiting(self, asked: pa.Table) -> pa.Array:
        return self.store.count_waiting(asked)

    def stored_session_hashes(
        self, partitions: Sequence[int], of: int
    ) -> Iterator[tuple[Hashes32, Hashes32]]:
        return self.store.stored_session_hashes(partitions, of)

    def write(self, table: str, rows: pa.Table) -> None:
        self.pending.append(partial(self.store.write, table, rows))

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        self.pending.append(partial(self.store.write_dead_letters, letters))

    def read_erased(self, tally: int) -> Erased | None:
        return self.store.read_erased(tally)

    def erase(self, session_ids: Sequence[str]) -> None:
        self.pending.append(partial(self.store.erase, session_ids))

    def erase_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        self.pending.append(partial(self.store.erase_dead_letters, letters))

    def adopt(self, sessions: pa.Table) -> Adoption:
        self.pending.append(partial(self.store.adopt, sessions))
        return Adoption()

    def unjoin(self, sessions: pa.Table) -> None:
        self.pending.append(partial(self.store.unjoin, sessions))

    def waiting_portion(self, after: Key) -> Portion | None:
        return self.store.waiting_portion(after)

    def adopt_waiting(self, portion: Portion) -> pa.Table:
        return self.store.adopt_waiting(portion)

    def delete_adopted(self, adopted: pa.Table, portion: Portion | None = None) -> None:
        self.store.delete_adopted(adopted, portion)

    def refresh_facts(self, touched: pa.Table) -> None:
        self._refresh_facts(touched)
        if self.is_replay:
            self._refresh_facts(touched.filter(pc.equal(touched["is_posted"], 1)))

    def _refresh_facts(self, touched: pa.Table) -> None:
        if not isinstance(self.store, MemorySink):
            self.pending.append(partial(self.store.refresh_facts, touched))
            return
        store, rows = self.store, list[Any]()
        # It reads, and writes later.
        self.pending.append(lambda: rows.extend(store.facts_of(touched)))
        self.pending.append(lambda: store.store_facts(rows))

    def facts_progress(self, topics: Iterable[str]) -> Mapping[Partition, int]:
        return self.store.facts_progress(topics)

    def missing_facts(
        self, sessions: Mapping[int, int], events: Mapping[int, int]
    ) -> Sequence[FactsPortion]:
        return self.store.missing_facts(sessions, events)

    def refresh_missing_facts(self, portion: FactsPortion) -> None:
        self.pending.append(partial(self.store.refresh_missing_facts, portion))

    def note_facts_progress(self, reached: Mapping[Partition, int], epoch: int) -> None:
        self.pending.append(partial(self.store.note_facts_progress, reached, epoch))


class FakeWorker:
    """One worker process: what it remembers is gone when it crashes."""

    def __init__(self, log: Log, store: Store, index_bytes: int, most_waiting: int) -> None:
        self._log = log
        self.ledger = OffsetLedger()
        self.positions: dict[Partition, int] = {}
        self.generation = 0
        self.not_in_filter: list[int] = []
        self.buffer: list[FetchedBatch] = []
        self.flushing: list[FetchedBatch] = []
        self.sink = SlowSink(store)
        self.stored_ids = StoredIdsFilter(64, PARTITIONS)
        decoders = {
            TOPICS.topic_of(c): BatchDecoder(c, log.schema_id(c), log.registry, PARTITIONS)
            for c in (SESSION, EVENT, MARK)
        }
        self._flush = Flush(
            FlushRules(TOPICS, DayWindow(past=35, future=1), epoch=0, most_waiting=most_waiting),
            decoders,
            self.sink,
            DeadLetterList(),
            RecentSessions(index_bytes),
            self.stored_ids,
            ManualClock(),
            once,
        )
        if isinstance(store, MemorySink):
            # So that what is computed together is little, and flushes come in between.
            self._flush.facts = FactsRefresh(self.sink, TOPICS, epoch=0, portion=1)

    def assign(self, committed: dict[Partition, int], generation: int) -> None:
        """A rebalance: everything is taken away, then these are given."""
        follows = self.generation > 0 and generation == self.generation + 1
        self.generation = generation
        self.ledger.revoke(list(self.positions))
        self.ledger.assign(committed, generation)
        for source, offset in committed.items():
            self.ledger.start_at(source, generation, offset)
        self.positions = dict(committed)
        partitions = {source.partition for source in committed}
        self.not_in_filter = self.stored_ids.begin(generation, partitions, follows=follows)
        self._flush.facts.assigned(partitions)

    def begin_facts(self) -> bool:
        """What is due after a flush: the facts of what was touched; whether nothing is left."""
        return bool(self.sink.pending) or self._flush.facts.step(self.ledger.last_committed())

    def begin_facts_of_touched(self) -> None:
        """What follows a flush of a replay."""
        self._flush.facts.refresh()

    def fill_filter(self) -> None:
        """What goes on in the background after an assignment, at some moment of it."""
        for kafka, plain in self.sink.stored_session_hashes(self.not_in_filter, PARTITIONS):
            self.stored_ids.fill(self.generation, kafka, plain)
        self.stored_ids.complete(self.generation)

    def fetch(self, source: Partition, count: int) -> None:
        first = self.positions[source]
        batch = self._log.batch(source, first, count, self.generation)
        if len(batch):
            self.positions[source] = batch.next
            self.ledger.hand_out(source, self.generation, batch.first, batch.next)
            self.buffer.append(batch)

    def begin(self) -> None:
        """Take what is buffered and decide what to write. One flush at a time."""
        self.flushing, self.buffer = self.buffer, []
        self.flushing = [b for b in self.flushing if self.ledger.is_current(b.source, b.generation)]
        if self.flushing:
            self._flush(self.flushing)

    def write_one(self) -> bool:
        """Do the next of the inserts under way; False when there is none left."""
        if not self.sink.pending:
            return False
        self.sink.pending.pop(0)()
        return True

    def finish(self, writes: int | None = None) -> None:
        """Write; with `writes`, only that many inserts happen before the process dies."""
        pending, self.sink.pending = self.sink.pending, []
        for write in pending[:writes]:
            write()
        if writes is None:
            for batch in self.flushing:
                self.ledger.written(batch.source, batch.generation, batch.first)
        self.flushing = []


@dataclass
class Cluster:
    """The log, the store, the group's committed offsets, and the workers of the moment."""

    count: int
    index_bytes: int = 10_000_000
    most_waiting: int = 10_000
    log: Log = field(default_factory=Log)
    store: Store = field(default_factory=MemorySink)
    posted: dict[tuple[str, int, int], dict[str, Any]] = field(default_factory=dict)
    committed: dict[Partition, int] = field(default_factory=dict)
    workers: list[FakeWorker] = field(default_factory=list)
    spawned: list[FakeWorker] = field(default_factory=list)
    """The workers, and all that were."""
    erased: list[str] = field(default_factory=list)
    """Sessions of which something may be left until everybody has settled."""
    generation: int = 0

    def __post_init__(self) -> None:
        self.workers = [self.spawn() for _ in range(self.count)]
        self.rebalance(0)

    def append(self, record: dict[str, Any]) -> None:
        source, offset = self.log.append(record)
        self.posted[source.topic, source.partition, offset] = record
        if source not in self.committed:
            # A partition gets its first record: the owner of its number begins at 0.
            self.committed[source] = 0
            self.rebalance(self.generation)

    def owner(self, source: Partition, shift: int) -> int:
        """Co-partitioned: partition n of every topic has one owner."""
        return (source.partition + shift) % len(self.workers)

    def rebalance(self, shift: int) -> None:
        """Every partition begins again at its committed offset, under a new generation."""
        self.generation += 1
        for number, worker in enumerate(self.workers):
            mine = {s: o for s, o in self.committed.items() if self.owner(s, shift) == number}
            worker.assign(mine, self.generation)

    def crash(self, number: int, writes: int) -> None:
        """The process dies, after `writes` of the inserts it had under way."""
        self.workers[number].finish(writes)
        self.workers[number] = self.spawn()
        self.rebalance(self.generation)

    def lose_without_noticing(self, number: int) -> FakeWorker:
        """The worker goes on writing; its partitions are a new worker's."""
        zombie = self.workers[number]
        self.workers[number] = self.spawn()
        self.rebalance(self.generation)
        return zombie

    def commit(self, number: int) -> None:
        due = self.workers[number].ledger.committable()
        self.committed.update(due)
        self.workers[number].ledger.committed(due)

    def erase(self, *session_ids: str) -> None:
        """Recorded, then deleted; `settle` has the rest of it."""
        users = ["whoever"] * len(session_ids)
        erased = pa.table({"session_id": list(session_ids), "user_id": users})
        self.store.write(table_columns.ERASED_SESSIONS, table_columns.erased_rows(erased))
        self.erased += session_ids
        self.store.erase(session_ids)

    def _end_erasures(self) -> None:
        """An erasure waits until everything is committed, and deletes again. Who is late takes
        back what he has written, as every flush does."""
        if self.erased:
            for worker in self.spawned:
                worker.finish()
            self.store.erase(self.erased)
            self.erased.clear()

    def replay(self, writes: int | None) -> None:
        """Read everything again; with `writes`, it is killed after so many inserts."""
        self.begin_replay().finish(writes)

    def begin_replay(self) -> FakeWorker:
        """One that has decided what to write."""
        replay = self.spawn()
        replay.sink.is_replay = True
        replay.assign(dict.fromkeys(self.committed, 0), 0)
        for source in sorted(replay.positions):
            replay.fetch(source, 1_000_000)
        replay.begin()
        replay.begin_facts_of_touched()
        return replay

    def settle(self, *, with_clean_up: bool = True) -> None:
        """Let everybody finish: no faults any more. Without clean-up, what is adopted already is
        deleted, and nothing is adopted in addition."""
        for number, worker in enumerate(self.workers):
            worker.finish()
            for source in list(worker.positions):
                worker.fetch(source, 1_000_000)
            worker.begin()
            worker.finish()
            self.commit(number)
            # What was being computed before was not yet all.
            for _ in range(2):
                while not worker.begin_facts():
                    worker.finish()
                worker.finish()
        self._end_erasures()
        if with_clean_up:
            clean_up(self.store)
            return
        joined = {key[1:] for key in self.store.tables[table_columns.EVENTS]}
        waiting = self.store.tables[table_columns.UNJOINED]
        for key in [key for key in waiting if key in joined]:
            del waiting[key]

    def spawn(self) -> FakeWorker:
        """A process that has nothing assigned yet."""
        worker = FakeWorker(self.log, self.store, self.index_bytes, self.most_waiting)
        self.spawned.append(worker)
        return worker
