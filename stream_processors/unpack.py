"""Fetched bytes → columns of records, one fetch of a partition at a time.

aiokafka makes a `ConsumerRecord` of every record: about 1 µs each, and several times that once the
garbage collector has a few hundred thousand of them to walk. Its parser is quick, so we take the
columns from there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException

from schemas.dead_letters import Headers
from stream_processors.fetched import Records


class ColumnsOfPartition(PartitionRecords):  # type: ignore[misc] # aiokafka has no types
    """Yields the `Records` of the whole fetch at once, if it has any."""

    next_fetch_offset: int

    def __init__(self, stock: PartitionRecords) -> None:
        """Takes over from a stock one that nobody has begun to read."""
        self.__dict__.update(stock.__dict__)
        # Its generator holds it and is held by it: the fetch's bytes would stay until the garbage
        # collector comes by, which is seldom (hundreds of megabytes at full rate).
        stock._records_iterator.close()
        self._records_iterator = self._unpack_records()

    def _unpack_records(self) -> Iterator[Records]:
        columns = _Columns()
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if not self._is_hidden(batch):
                columns.take(batch, self.next_fetch_offset)
            # Also behind a batch without records for us: what is left of it is never delivered.
            self.next_fetch_offset = batch.next_offset
        if columns.offsets:
            yield columns.records()

    def _is_hidden(self, batch: Any) -> bool:
        """Whether the batch is Kafka's own (a transaction marker), or was never committed."""
        if self._isolation_level == READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)


@dataclass(slots=True)
class _Columns:
    """Columns in the making. Trickling records come in batches of one or two: what costs by the
    array is done once for all of them."""

    offsets: list[int] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    headers: dict[int, Headers] = field(default_factory=dict)

    def take(self, batch: Any, start: int) -> None:
        """A compressed batch comes whole: what lies before `start` was read before."""
        offset, key, value = self.offsets.append, self.keys.append, self.values.append
        # One at a time: a list of record objects would be walked by the garbage collector.
        for record in batch:
            if record.offset >= start:
                if record.headers:
                    self.headers[len(self.offsets)] = tuple(record.headers)
                offset(record.offset)
                key(record.key)
                value(record.value)

    def records(self) -> Records:
        return Records(
            np.array(self.offsets, dtype=np.int64),
            pa.array(self.keys, pa.binary()),
            pa.array(self.values, pa.binary()),
            self.headers,
        )


class ColumnarResults(OrderedDict[Any, Any]):
    """The fetcher's buffer of fetched partitions: what is put in yields columns from then on."""

    def __setitem__(self, partition: Any, result: Any) -> None:
        if isinstance(result, FetchResult):
            result._partition_records = ColumnsOfPartition(result._partition_records)
        super().__setitem__(partition, result)


def fetch_columns(fetcher: Any) -> None:
    """From now on `fetched_records` of this aiokafka fetcher gives lists of `Records`.

    Before its first fetch only; calling it again changes nothing.
    """
    if not isinstance(fetcher._records, ColumnarResults):
        fetcher._records = ColumnarResults(fetcher._records)
