"""Fetched bytes → columns of records, one fetch of a partition at a time.

aiokafka makes a `ConsumerRecord` of every record: about 1 µs each, and several times that once the
garbage collector has a few hundred thousand of them to walk. So it cuts what was fetched into
batches and checks them, and we make columns of their bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa
from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import _MemoryRecordsPy as RawRecords

from schemas.dead_letters import Headers
from stream_processors.consume.batch_as_avro_array import Block, block_of, columns_of
from stream_processors.consume.batches import Records

# What a fetcher makes of each fetch. The compiled one keeps the bytes to itself. Here, and not with
# `deliver_columns`: a fetcher begins to fetch as soon as it is made.
aiokafka_fetcher.MemoryRecords = RawRecords

# Fetches of fewer bytes are left to aiokafka's parser: reading blocks takes 0.4 ms of calls of
# Arrow's and NumPy's, however few records there are, and that parser 1 to 2 µs for each.
_FEW_BYTES = 64 * 1024


class ColumnsOfPartition(PartitionRecords):  # type: ignore[misc] # aiokafka has no types
    """Yields the `Records` of the whole fetch at once, if it has any."""

    next_fetch_offset: int

    def __init__(self, stock: PartitionRecords) -> None:
        """Takes over from a stock one that nobody has begun to read, of `RawRecords`."""
        self.__dict__.update(stock.__dict__)
        # Its generator holds it and is held by it: the fetch's bytes would stay until the garbage
        # collector comes by, which is seldom (hundreds of megabytes at full rate).
        stock._records_iterator = None  # closing it lets go of nothing from Python 3.12 on
        self._records_iterator = self._unpack_records()

    def _unpack_records(self) -> Iterator[Records]:
        start = self.next_fetch_offset
        batches = []
        while self._records.has_next():
            data = self._records._next_slice
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if not self._is_hidden(batch):
                batches.append((data, batch))
            # Also behind a batch without records for us: what is left of it is never delivered.
            self.next_fetch_offset = batch.next_offset
            start = min(start, batch.next_offset)
        # The first batch comes whole: what lies before `start` in it was read before.
        if len(records := _columns(batches).since(start)):
            yield records

    def _is_hidden(self, batch: Any) -> bool:
        """Whether the batch is Kafka's own (a transaction marker), or was never committed."""
        if self._isolation_level == READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)


def _columns(batches: Sequence[tuple[memoryview, Any]]) -> Records:
    """The records of these batches, each as its bytes and as aiokafka's."""
    found = None
    if sum(len(data) for data, _ in batches) >= _FEW_BYTES:
        blocks = [block_of(data) for data, _ in batches]
        found = None if None in blocks else columns_of(cast("list[Block]", blocks))
    return _one_by_one(batch for _, batch in batches) if found is None else found


def _one_by_one(batches: Iterable[Any]) -> Records:
    """By aiokafka's own parser, which takes all that Kafka allows."""
    offsets: list[int] = []
    keys: list[bytes | None] = []
    values: list[bytes | None] = []
    headers: dict[int, Headers] = {}
    for batch in batches:
        for record in batch:
            if record.headers:
                headers[len(offsets)] = tuple(record.headers)
            offsets.append(record.offset)
            keys.append(record.key)
            values.append(record.value)
    return Records(
        np.array(offsets, dtype=np.int64),
        pa.array(keys, pa.binary()),
        pa.array(values, pa.binary()),
        headers,
    )


class ColumnarResults(OrderedDict[Any, Any]):
    """The fetcher's buffer of fetched partitions: what is put in yields columns from then on."""

    def __setitem__(self, partition: Any, result: Any) -> None:
        if isinstance(result, FetchResult):
            result._partition_records = ColumnsOfPartition(result._partition_records)
        super().__setitem__(partition, result)


def deliver_columns(fetcher: Any) -> None:
    """From now on `fetched_records` of this aiokafka fetcher gives lists of `Records`.

    Before its first fetch only; calling it again changes nothing.
    """
    if not isinstance(fetcher._records, ColumnarResults):
        fetcher._records = ColumnarResults(fetcher._records)
