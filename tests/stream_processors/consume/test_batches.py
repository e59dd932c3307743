"""Batches in portions: all of them, in their order, and not too much at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.kafka.partitions import Partition
from stream_processors.consume.batches import FetchedBatch, Record, Records, portions

MOST = 10_000


def batch(number: int, size: int) -> FetchedBatch:
    records = Records.of([Record(number, b"k", bytes(size))])
    return FetchedBatch(Partition("events", number), 1, number, number + 1, [records])


@given(sizes=st.lists(st.integers(0, 2 * MOST), max_size=12))
def test_no_batch_is_left_out_and_no_portion_is_larger_than_it_may_be(sizes: list[int]) -> None:
    fetched = [batch(number, size) for number, size in enumerate(sizes)]
    found = list(portions(fetched, MOST))
    assert [each for portion in found for each in portion] == fetched
    for portion in found:
        assert len(portion) == 1 or sum(each.nbytes for each in portion) <= MOST


def test_small_ones_stay_together() -> None:
    fetched = [batch(number, 100) for number in range(18)]
    assert list(portions(fetched, MOST)) == [fetched]
