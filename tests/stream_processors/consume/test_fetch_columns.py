"""Columns of fetched records: the same as aiokafka's own records, and nothing left behind."""

from __future__ import annotations

import gc
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import (
    READ_COMMITTED,
    READ_UNCOMMITTED,
    FetchResult,
    PartitionRecords,
)
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from stream_processors.consume import fetch_columns
from stream_processors.consume.batches import Record, Records
from stream_processors.consume.fetch_columns import (
    ColumnarResults,
    ColumnsOfPartition,
    RawRecords,
    deliver_columns,
)

LZ4 = 3
SOURCE = TopicPartition("events", 0)
PRODUCER = 77

# Mostly the usual ones, which are read all at once.
raw = st.binary(max_size=200) | st.none()
headers = st.just([]) | st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=2)
batches = st.lists(st.lists(st.tuples(raw, raw, headers), min_size=1, max_size=5), max_size=4)


def wire(
    batches: Sequence[Sequence[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]]],
    compression: int = 0,
    transactional: bool = False,
) -> bytes:
    """Record batches as a broker sends them, one after the other."""
    found, offset = b"", 0
    for batch in batches:
        builder = DefaultRecordBatchBuilder(2, compression, transactional, PRODUCER, 0, 0, 2**20)
        for place, (key, value, head) in enumerate(batch):
            builder.append(place, 1_700_000_000_000, key, value, head)
        built = bytearray(builder.build())
        built[:8] = offset.to_bytes(8, "big")  # the broker's part: where the batch begins
        found += bytes(built)
        offset += len(batch)
    return found


def stock(
    data: bytes,
    start: int = 0,
    isolation: int = READ_UNCOMMITTED,
    aborted: Sequence[int] = (),
    records: type = MemoryRecords,
) -> PartitionRecords:
    transactions = [(PRODUCER, first) for first in aborted]
    return PartitionRecords(SOURCE, records(data), transactions, start, None, None, True, isolation)


def columns(
    data: bytes, start: int = 0, isolation: int = READ_UNCOMMITTED, aborted: Sequence[int] = ()
) -> ColumnsOfPartition:
    return ColumnsOfPartition(stock(data, start, isolation, aborted, RawRecords))


def rows(parts: Sequence[Records]) -> list[Record]:
    if not parts:
        return []
    found = Records.concat(parts)
    return [found.record(row) for row in range(len(found))]


@given(
    sent=batches,
    start=st.integers(0, 12),
    compression=st.sampled_from([0, LZ4]),
    few_bytes=st.sampled_from([0, 300, fetch_columns._FEW_BYTES]),
)
def test_columns_hold_what_stock_records_hold(
    sent: list[list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]]],
    start: int,
    compression: int,
    few_bytes: int,
) -> None:
    data = wire(sent, compression)
    theirs, ours = stock(data, start), columns(data, start)
    expected = [Record(r.offset, r.key, r.value, r.headers) for r in theirs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetch_columns, "_FEW_BYTES", few_bytes)
        assert rows(list(ours)) == expected
    assert ours.next_fetch_offset == theirs.next_fetch_offset


@pytest.mark.parametrize("isolation", [READ_COMMITTED, READ_UNCOMMITTED])
@pytest.mark.parametrize("aborted", [[], [0], [1]])
def test_what_a_transaction_took_back_is_hidden_as_stock_hides_it(
    isolation: int, aborted: list[int]
) -> None:
    data = wire([[(b"k", b"1", [])], [(b"k", b"2", [])]], transactional=True)
    theirs = stock(data, 0, isolation, aborted)
    ours = columns(data, 0, isolation, aborted)
    assert [r.value for r in rows(list(ours))] == [r.value for r in theirs]
    assert ours.next_fetch_offset == theirs.next_fetch_offset == 2


def test_a_batch_that_was_damaged_on_the_way_is_fetched_again() -> None:
    data = bytearray(wire([[(b"k", b"value", [])]]))
    data[-3] ^= 1
    with pytest.raises(CorruptRecordException):
        list(columns(bytes(data)))


def test_what_was_fetched_before_anybody_asked_is_read_too() -> None:
    """A fetcher fetches ahead, also while nobody has asked it for columns yet."""
    fetched = stock(wire([[(b"k", b"v", [])]]), records=fetcher.MemoryRecords)
    early = FetchResult(SOURCE, partition_records=fetched, assignment=None, backoff=0.0)
    ahead = SimpleNamespace(_records=OrderedDict({SOURCE: early}))
    deliver_columns(ahead)
    (taken,) = ahead._records[SOURCE]._partition_records
    assert taken.values.to_pylist() == [b"v"]


def test_a_fetch_that_was_read_is_freed_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        fetched = stock(wire([[(b"k", b"v", [])]]), records=RawRecords)
        left = weakref.ref(fetched)
        results = ColumnarResults()
        results[SOURCE] = FetchResult(
            SOURCE, partition_records=fetched, assignment=None, backoff=0.0
        )
        taken = list(results.pop(SOURCE)._partition_records)
        del fetched
        assert left() is None
        assert len(taken) == 1
    finally:
        gc.enable()
