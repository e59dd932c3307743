"""Batches of one fetch → messages: all of them, in their order, and not too much at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_processors.fetched import FetchedBatch, Partition, Record, Records
from stream_processors.transport import _MESSAGE_BYTES, _together


def batch(number: int, size: int) -> FetchedBatch:
    records = Records.of([Record(number, b"k", bytes(size))])
    return FetchedBatch(Partition("events", number), 1, number, number + 1, [records])


@given(sizes=st.lists(st.integers(0, 2 * _MESSAGE_BYTES), max_size=12))
def test_no_batch_is_left_out_and_no_message_is_larger_than_it_may_be(sizes: list[int]) -> None:
    fetched = [batch(number, size) for number, size in enumerate(sizes)]
    messages = list(_together(fetched))
    assert [each for message in messages for each in message] == fetched
    for message in messages:
        assert len(message) == 1 or sum(each.nbytes for each in message) <= _MESSAGE_BYTES


def test_a_trickle_is_one_message() -> None:
    fetched = [batch(number, 500) for number in range(18)]
    assert list(_together(fetched)) == [fetched]
