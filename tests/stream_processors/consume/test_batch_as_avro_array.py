"""Records read as blocks of an Avro array: what is usual is read, all else is left to aiokafka."""

from __future__ import annotations

import random

import pytest
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from stream_processors.consume.batch_as_avro_array import Block, block_of, columns_of
from stream_processors.consume.unpack_batch import Unpacker
from tests.stream_processors.consume.test_fetch_columns import LZ4, stock, wire

GZIP, SNAPPY, ZSTD = 1, 2, 4

usual = st.lists(
    st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=9000), st.just([])), min_size=1),
    min_size=1,
    max_size=4,
)


def blocks_of(data: bytes) -> list[Block]:
    """Of batches one after the other, each behind its offset and its length."""
    found, rest = [], memoryview(data)
    while rest:
        size = 12 + int.from_bytes(rest[8:12], "big")
        block = block_of(Unpacker(2**22).unpack(rest[:size]))
        assert block is not None
        found.append(block)
        rest = rest[size:]
    return found


@given(sent=usual, compression=st.sampled_from([0, GZIP, SNAPPY, LZ4, ZSTD]))
def test_usual_records_are_read_at_once(
    sent: list[list[tuple[bytes, bytes, list[tuple[str, bytes]]]]], compression: int
) -> None:
    data = wire(sent, compression)
    found = columns_of(blocks_of(data))
    assert found is not None
    theirs = [(r.offset, r.key, r.value) for r in stock(data)]
    assert [tuple(found.record(row))[:3] for row in range(len(found))] == theirs


@pytest.mark.parametrize(
    "record",
    [
        (None, b"value", []),
        (b"key", None, []),
        (b"key", b"value", [("name", b"")]),
        (b"key", b"value", [("", None)]),
    ],
)
def test_one_unusual_record_leaves_all_to_aiokafka(
    record: tuple[bytes | None, bytes | None, list[tuple[str, bytes]]],
) -> None:
    plain = (b"key", b"value", [])
    assert columns_of(blocks_of(wire([[plain, plain], [plain, record, plain]]))) is None


def test_a_batch_that_was_emptied_by_compaction_ends_nothing() -> None:
    one, other = blocks_of(wire([[(b"k", b"1", [])], [(b"k", b"2", [])]]))
    found = columns_of([one, Block(1, 0, memoryview(b"")), other._replace(base_offset=9)])
    assert found is not None
    assert found.offsets.tolist() == [0, 9]
    assert found.values.to_pylist() == [b"1", b"2"]


@pytest.mark.parametrize("count", [-1, 1, 3, 2**31 - 1])
def test_a_count_that_is_not_that_of_the_records_is_refused(count: int) -> None:
    (block,) = blocks_of(wire([[(b"k", b"1", []), (b"k", b"2", [])]]))
    assert columns_of([block._replace(rows=count)]) is None


def test_bytes_nobody_meant_to_send_are_refused_or_read() -> None:
    """Whatever lies there: no other error, no crash, and no more memory than there are bytes."""
    (block,) = blocks_of(wire([[(b"key", b"value" * n, []) for n in range(20)]]))
    chance = random.Random(7)
    refused = 0
    for _ in range(5_000):
        data = bytearray(block.data)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        found = columns_of([block._replace(data=bytes(data[: chance.randint(0, len(data))]))])
        refused += found is None
        assert found is None or len(found) == block.rows
    assert refused > 2_500


def test_the_format_before_this_one_is_not_read() -> None:
    from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=1000)
    builder.append(0, timestamp=1, key=b"k", value=b"v")
    data = bytes(builder.build())
    assert MemoryRecords(data).has_next()
    assert block_of(memoryview(data)) is None
