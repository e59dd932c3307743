"""Columns of fetched records: the same as aiokafka's own records, and nothing left behind."""

from __future__ import annotations

import gc
import re
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import (
    READ_COMMITTED,
    READ_UNCOMMITTED,
    FetchResult,
    PartitionRecords,
)
from aiokafka.record.default_records import (
    DefaultRecordBatchBuilder,
    _DefaultRecordBatchBuilderPy,
)
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from stream_processors.consume import fetch_columns
from stream_processors.consume.batches import Record, Records
from stream_processors.consume.fetch_columns import (
    ColumnarResults,
    ColumnsOfPartition,
    FetchLimits,
    RawRecords,
    deliver_columns,
)
from stream_processors.consume.unpack_batch import produced_ms_of

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
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
    compression=st.sampled_from([0, GZIP, SNAPPY, LZ4, ZSTD]),
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


def test_a_fetch_knows_when_its_oldest_record_was_produced() -> None:
    early = bytearray(wire([GOOD]))
    early[27:35] = (1_600_000_000_000).to_bytes(8, "big")  # the first timestamp
    late = wire([[(b"k", b"v", [])], GOOD])[len(wire([[(b"k", b"v", [])]])) :]
    fetched = columns(bytes(early) + late)
    fetched._check_crcs = False
    (records,) = fetched
    assert records.produced_ms == records.since(1).produced_ms == 1_600_000_000_000


def test_where_the_brokers_clock_counts_all_records_have_its_time() -> None:
    batch = bytearray(wire([GOOD]))
    batch[22] |= 0x08  # of the attributes
    batch[35:43] = (1_800_000_000_000).to_bytes(8, "big")  # the last timestamp
    assert produced_ms_of(memoryview(batch)) == 1_800_000_000_000
    batch[22] &= ~0x08
    assert produced_ms_of(memoryview(batch)) == 1_700_000_000_000


def test_a_batch_whose_header_does_not_say_it_has_no_time() -> None:
    assert produced_ms_of(memoryview(b"\0" * 30)) == 0


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


def fetch_until_read(batches: Sequence[bytes], limits: FetchLimits) -> Records:
    """All of it, fetched on from where the fetch before ended: batch n begins at offset n."""
    parts: list[Records] = []
    at = 0
    for _ in range(9):
        data = b"".join(batches[at:])
        fetched = ColumnsOfPartition(stock(data, at, records=RawRecords), limits, len(batches))
        parts += list(fetched)
        at = fetched.next_fetch_offset
    assert at == len(batches)
    return Records.concat(parts)


GOOD = [(b"k", b"good" * 20, [])]


def sealed(batch: bytes) -> bytes:
    """With the checksum of what it holds now."""
    checksum = calc_crc32c(batch[21:])
    return batch[:17] + checksum.to_bytes(4, "big") + batch[21:]


def wrong_checksum(batch: bytes) -> bytes:
    return batch[:-3] + bytes([batch[-3] ^ 1]) + batch[-2:]


def cut_short(batch: bytes) -> bytes:
    """The length says so, too: what is left of an lz4 frame does not uncompress."""
    left = batch[:-9]
    return sealed(left[:8] + (len(left) - 12).to_bytes(4, "big") + left[12:])


def unknown_codec(batch: bytes) -> bytes:
    return sealed(batch[:22] + bytes([batch[22] & ~7 | 6]) + batch[23:])


def more_records_than_there_are(batch: bytes) -> bytes:
    return sealed(batch[:57] + (9).to_bytes(4, "big") + batch[61:])


def wrong_last_offset(batch: bytes) -> bytes:
    return batch[:23] + (2**30).to_bytes(4, "big") + batch[27:]


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (wrong_checksum, "checksum"),
        (wrong_last_offset, "checksum"),
        (cut_short, "unpacked"),
        (unknown_codec, "codec"),
        (more_records_than_there_are, "read"),
    ],
)
@pytest.mark.parametrize("few_bytes", [0, fetch_columns._FEW_BYTES])
def test_a_batch_that_cannot_be_read_is_one_row_and_the_others_are_read(
    position: int, spoil: Callable[[bytes], bytes], why: str, few_bytes: int
) -> None:
    placed = [n.to_bytes(8, "big") + wire([GOOD], LZ4)[8:] for n in range(3)]
    placed[position] = spoil(placed[position])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetch_columns, "_FEW_BYTES", few_bytes)
        found = fetch_until_read(placed, FetchLimits())
    read = [found.record(row) for row in range(len(found))]
    assert [record.offset for record in read] == [0, 1, 2]
    assert list(found.undecodable) == [position]
    assert re.search(why, found.undecodable[position])
    assert read[position].value == placed[position]
    others = [record.value for row, record in enumerate(read) if row != position]
    assert others == [b"good" * 20] * 2


def test_a_batch_that_was_damaged_on_the_way_is_fetched_again() -> None:
    data, limits = wire([GOOD]), FetchLimits()
    for _ in range(2):
        damaged = ColumnsOfPartition(stock(wrong_checksum(data), records=RawRecords), limits)
        assert list(damaged) == []
        assert damaged.next_fetch_offset == 0
    (whole,) = ColumnsOfPartition(stock(data, records=RawRecords), limits)
    assert whole.values.to_pylist() == [b"good" * 20]


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_what_is_small_packed_and_huge_unpacked_is_never_unpacked(codec: int) -> None:
    data = wire([[(b"k", b"\0" * 500_000, [])]], codec)
    limits = FetchLimits(unpacked_bytes=100_000)
    (bomb,) = ColumnsOfPartition(stock(data, records=RawRecords), limits)
    assert bomb.values.to_pylist() == [data]
    assert "records 0 to 0" in bomb.undecodable[0]
    (read,) = ColumnsOfPartition(stock(data, records=RawRecords), FetchLimits(600_000))
    assert not read.undecodable


def test_a_fetch_ends_where_its_batches_have_grown_too_large_together() -> None:
    data = wire([[(b"k", b"\0" * 60_000, [])]] * 4, ZSTD)
    fetched = ColumnsOfPartition(stock(data, records=RawRecords), FetchLimits(100_000))
    (found,) = fetched
    assert list(found.offsets) == [0, 1]
    assert fetched.next_fetch_offset == 2


class NoText(str):
    """The name of a header, of bytes that are no UTF-8."""

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


@pytest.mark.parametrize("few_bytes", [0, fetch_columns._FEW_BYTES])
def test_a_record_whose_header_has_a_name_that_is_no_text_is_read_all_the_same(
    few_bytes: int,
) -> None:
    builder = _DefaultRecordBatchBuilderPy(2, 0, False, PRODUCER, 0, 0, 2**20)
    builder.append(0, 1, b"k", b"v", [(NoText("x"), b"1"), ("own", None)])
    builder.append(1, 1, None, None, [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetch_columns, "_FEW_BYTES", few_bytes)
        read = rows(list(columns(bytes(builder.build()))))
    assert read == [
        Record(0, b"k", b"v", (("\\xff\\xfe", b"1"), ("own", None))),
        Record(1, None, None, ()),
    ]


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
