"""The log between two offsets: every record, as the workers see it, and no other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from clickstream.operations.log_offsets import LogOffsets
from clickstream.operations.log_reader import LogReader
from core.clock import SystemClock
from core.errors import SetupError
from core.kafka.partitions import Partition
from stream_processors.consume.batches import FetchedBatch
from tests.raw_batches import larger_than_memory, with_a_header_that_is_no_text, write_batches

if TYPE_CHECKING:
    from core.settings import Settings

pytestmark = pytest.mark.engines


def place_of(settings: Settings, number: int = 0) -> Partition:
    return Partition(f"{settings.topics.prefix}events", number)


def produce(settings: Settings, place: Partition, values: range) -> None:
    producer = Producer(dict(settings.kafka_options()))
    for n in values:
        producer.produce(place.topic, str(n).encode(), partition=place.partition)
    assert producer.flush(30) == 0


def transact(settings: Settings, place: Partition, *, commit: bool) -> None:
    """One record, and the marker that takes up the offset behind it."""
    options = {**settings.kafka_options(), "transactional.id": f"{place.topic}-{commit}"}
    producer = Producer(options)
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(place.topic, b"committed" if commit else b"aborted", partition=0)
    assert producer.flush(30) == 0
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def read(
    settings: Settings, starts: dict[Partition, int], ends: dict[Partition, int], rows: int = 1000
) -> list[FetchedBatch]:
    with LogReader(settings, SystemClock()) as reader:
        return [batch for batches in reader.read(starts, ends, rows) for batch in batches]


def offsets(batches: list[FetchedBatch], place: Partition) -> list[int]:
    return [
        o
        for batch in batches
        if batch.source == place
        for part in batch.parts
        for o in part.offsets
    ]


def test_exactly_the_range_is_read_however_small_the_batches(settings: Settings) -> None:
    first, second = place_of(settings, 0), place_of(settings, 1)
    produce(settings, first, range(20))
    produce(settings, second, range(7))
    for rows in (1, 3, 1000):
        batches = read(settings, {first: 5, second: 0}, {first: 15, second: 7}, rows)
        assert offsets(batches, first) == list(range(5, 15))
        assert offsets(batches, second) == list(range(7))
        assert max(len(batch) for batch in batches) <= rows


def test_a_second_range_goes_on_where_the_first_ended(settings: Settings) -> None:
    place = place_of(settings)
    produce(settings, place, range(10))
    with LogReader(settings, SystemClock()) as reader:
        for start, end in ((0, 4), (4, 4), (4, 10)):
            batches = [b for found in reader.read({place: start}, {place: end}, 100) for b in found]
            assert offsets(batches, place) == list(range(start, end))


def test_records_that_were_aborted_are_not_read_and_markers_end_no_reading(
    settings: Settings,
) -> None:
    place = place_of(settings)
    produce(settings, place, range(2))
    transact(settings, place, commit=False)
    transact(settings, place, commit=True)
    batches = read(settings, {place: 0}, {place: 6})
    assert offsets(batches, place) == [0, 1, 4]


def test_a_range_that_is_deleted_under_our_hands_is_not_skipped(settings: Settings) -> None:
    place = place_of(settings)
    produce(settings, place, range(10))
    admin = AdminClient(dict(settings.kafka_options()))
    for future in admin.delete_records([TopicPartition(*place, 5)]).values():
        future.result(timeout=30)
    with pytest.raises(SetupError, match="retention"):
        read(settings, {place: 0}, {place: 10})


def test_an_open_transaction_ends_the_range_and_what_it_wrote_is_not_read(
    settings: Settings,
) -> None:
    place = place_of(settings)
    produce(settings, place, range(2))
    options = {**settings.kafka_options(), "transactional.id": f"{place.topic}-open"}
    producer = Producer(options)
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(place.topic, b"not committed", partition=place.partition)
    assert producer.flush(30) == 0
    produce(settings, place, range(1))
    ends = LogOffsets(settings).ends()
    assert ends[place] == 2
    assert offsets(read(settings, {place: 0}, {place: ends[place]}), place) == [0, 1]
    producer.abort_transaction(30)
    ends = LogOffsets(settings).ends()
    assert ends[place] == 5  # with the marker
    assert offsets(read(settings, {place: 0}, {place: ends[place]}), place) == [0, 1, 3]


def test_headers_are_read_also_those_whose_name_is_no_text(settings: Settings) -> None:
    place = place_of(settings)
    raw = with_a_header_that_is_no_text(b"k", b"v")
    asyncio.run(write_batches(settings, place.topic, raw, partition=place.partition))
    (batch,) = read(settings, {place: 0}, {place: 1})
    assert batch.parts[0].record(0) == (0, b"k", b"v", (("\\xff\\xfe", b"1"),))


def test_a_batch_that_cannot_be_read_is_one_row_and_the_reading_goes_on(settings: Settings) -> None:
    place = place_of(settings)
    produce(settings, place, range(3))
    asyncio.run(
        write_batches(settings, place.topic, larger_than_memory(), partition=place.partition)
    )
    produce(settings, place, range(4))
    end = LogOffsets(settings).ends()[place]
    for rows in (1, 4, 1000):
        batches = read(settings, {place: 0}, {place: end}, rows)
        assert offsets(batches, place) == [0, 1, 2, 3, end - 4, end - 3, end - 2, end - 1]
        reasons = [
            why for batch in batches for part in batch.parts for why in part.undecodable.values()
        ]
        assert [why.split(":")[0] for why in reasons] == [f"records 3 to {end - 5}"]
        assert [batch.first for batch in batches[1:]] == [batch.next for batch in batches[:-1]]
        assert batches[-1].next == end
