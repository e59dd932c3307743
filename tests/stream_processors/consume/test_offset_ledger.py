"""No interleaving of fetches, writes, commits, rebalances and crashes commits past an unwritten
record, and a partition with nothing left to write reaches lag 0."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.errors import OffsetGap
from core.kafka.partitions import Partition
from stream_processors.consume.offset_ledger import OffsetLedger
from tests.examples import examples

A = Partition("clickstream.events", 0)
B = Partition("clickstream.events", 1)


def test_nothing_is_committable_while_the_only_batch_is_unwritten_except_its_start() -> None:
    ledger = OffsetLedger()
    ledger.assign([A], 1)
    ledger.start_at(A, 1, 40)
    ledger.hand_out(A, 1, 40, 50)
    assert ledger.committable() == {}
    ledger.written(A, 1, 40)
    assert ledger.committable() == {A: 50}


def test_a_later_batch_written_first_does_not_move_the_commit() -> None:
    ledger = OffsetLedger()
    ledger.assign([A], 1)
    ledger.hand_out(A, 1, 0, 10)
    ledger.hand_out(A, 1, 10, 20)
    ledger.written(A, 1, 10)
    assert ledger.committable() == {A: 0}
    ledger.written(A, 1, 0)
    assert ledger.committable() == {A: 20}


def test_a_gap_at_the_end_of_the_log_is_committed_once_nothing_is_in_flight() -> None:
    ledger = OffsetLedger()
    ledger.assign([A], 1)
    ledger.hand_out(A, 1, 0, 10)
    ledger.advance(A, 1, 12)
    assert ledger.committable() == {A: 0}
    ledger.written(A, 1, 0)
    assert ledger.committable() == {A: 12}


def test_an_older_generation_neither_writes_nor_moves_anything() -> None:
    ledger = OffsetLedger()
    ledger.assign([A], 1)
    ledger.hand_out(A, 1, 0, 10)
    ledger.assign([A], 2)
    ledger.written(A, 1, 0)
    ledger.advance(A, 1, 99)
    assert ledger.committable() == {}
    assert not ledger.is_current(A, 1)


def test_a_revoked_partition_is_never_committed() -> None:
    ledger = OffsetLedger()
    ledger.assign([A, B], 1)
    ledger.hand_out(A, 1, 0, 10)
    ledger.hand_out(B, 1, 0, 10)
    ledger.revoke([A])
    ledger.written(A, 1, 0)
    ledger.written(B, 1, 0)
    assert ledger.committable() == {B: 10}


def test_the_same_offset_is_committed_once() -> None:
    ledger = OffsetLedger()
    ledger.assign([A], 1)
    ledger.hand_out(A, 1, 0, 10)
    ledger.written(A, 1, 0)
    ledger.committed(ledger.committable())
    assert ledger.committable() == {}


def test_records_that_were_fetched_and_never_handed_out_are_noticed() -> None:
    ledger = OffsetLedger()
    ledger.assign([A], 1)
    ledger.start_at(A, 1, 5)
    with pytest.raises(OffsetGap, match="fetched from 7"):
        ledger.hand_out(A, 1, 7, 9)


def test_the_age_of_a_partition_is_that_of_its_oldest_unwritten_record() -> None:
    ledger = OffsetLedger()
    ledger.assign([A, B], 1)
    ledger.hand_out(A, 1, 0, 10, produced_ms=500)
    ledger.hand_out(A, 1, 10, 20, produced_ms=400)  # the clock of whoever produced it is late
    ledger.hand_out(B, 1, 0, 10)
    assert ledger.oldest_unwritten() == {A: 400, B: None}
    ledger.written(A, 1, 10)
    assert ledger.oldest_unwritten() == {A: 500, B: None}
    ledger.written(A, 1, 0)
    assert ledger.oldest_unwritten() == {A: None, B: None}


class Worker(RuleBasedStateMachine):
    """One partition, a log with gaps, and a worker that may lose its assignment at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = OffsetLedger()
        self.records: list[int] = []  # offsets that hold a record; the others are gaps
        self.end = 0
        self.group_offset = 0  # what Kafka has
        self.written: set[int] = set()
        self.generation = 0
        self.position = 0
        self.batches: list[tuple[int, int, int]] = []  # generation, first, next: to be written

    @initialize()
    def begin(self) -> None:
        self.rebalance()

    @rule(gaps=st.lists(st.booleans(), min_size=1, max_size=8))
    def append(self, gaps: list[bool]) -> None:
        for is_gap in gaps:
            if not is_gap:
                self.records.append(self.end)
            self.end += 1

    @precondition(lambda self: self.position < self.end)
    @rule(count=st.integers(1, 12))
    def fetch(self, count: int) -> None:
        first, next_ = self.position, min(self.end, self.position + count)
        self.position = next_
        if any(first <= offset < next_ for offset in self.records):
            self.ledger.hand_out(A, self.generation, first, next_)
            self.batches.append((self.generation, first, next_))
        else:
            self.ledger.advance(A, self.generation, next_)

    @precondition(lambda self: self.batches)
    @rule(data=st.data(), again=st.booleans())
    def write(self, data: st.DataObject, again: bool) -> None:
        batch = data.draw(st.sampled_from(self.batches))
        generation, first, next_ = batch
        self.written.update(offset for offset in self.records if first <= offset < next_)
        self.ledger.written(A, generation, first)
        if not again:
            self.batches.remove(batch)

    @rule(acknowledged=st.booleans())
    def commit(self, acknowledged: bool) -> None:
        due = self.ledger.committable()
        self.group_offset = due.get(A, self.group_offset)
        if acknowledged:
            self.ledger.committed(due)

    @rule()
    def rebalance(self) -> None:
        self.generation += 1
        self.ledger.assign([A], self.generation)
        self.position = self.group_offset
        self.ledger.start_at(A, self.generation, self.position)

    @rule()
    def crash(self) -> None:
        self.ledger = OffsetLedger()
        self.batches.clear()
        self.rebalance()

    @invariant()
    def never_past_an_unwritten_record(self) -> None:
        unwritten = [offset for offset in self.records if offset not in self.written]
        for offset in self.ledger.committable().values():
            assert not unwritten or offset <= unwritten[0]
        assert not unwritten or self.group_offset <= unwritten[0]

    def teardown(self) -> None:
        """Left alone, the worker finishes: lag 0."""
        self.rebalance()
        while self.position < self.end:
            self.fetch(5)
        for generation, first, next_ in self.batches:
            self.written.update(offset for offset in self.records if first <= offset < next_)
            self.ledger.written(A, generation, first)
        self.group_offset = self.ledger.committable().get(A, self.group_offset)
        assert self.group_offset == self.end


TestWorker = Worker.TestCase
TestWorker.settings = settings(max_examples=examples(200), stateful_step_count=40, deadline=None)
