"""Fetched bytes → columns of records, a Kafka record batch at a time.

aiokafka makes a `ConsumerRecord` of every record: about 1 µs each, and several times that once the
garbage collector has a few hundred thousand of them to walk. Its parser is quick, so we take the
columns from there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException

from stream_processors.fetched import Headers, Records


class ColumnsOfPartition(PartitionRecords):  # type: ignore[misc] # aiokafka has no types
    """Yields one `Records` for each record batch that has any, and moves the fetch offset on."""

    def __init__(self, stock: PartitionRecords) -> None:
        """Takes over from a stock one that nobody has begun to read."""
        self.__dict__.update(stock.__dict__)
        self._records_iterator = self._unpack_records()

    def _unpack_records(self) -> Iterator[Records]:
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            found = None if self._is_hidden(batch) else self._columns_of(batch)
            # Also behind a batch without records for us: what is left of it is never delivered.
            self.next_fetch_offset = batch.next_offset
            if found is not None and len(found):
                yield found

    def _is_hidden(self, batch: Any) -> bool:
        """Whether the batch is Kafka's own (a transaction marker), or was never committed."""
        if self._isolation_level == READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)

    def _columns_of(self, batch: Any) -> Records:
        """A compressed batch comes whole: what lies before the fetch offset was read before."""
        start = self.next_fetch_offset
        offsets: list[int] = []
        keys: list[bytes | None] = []
        values: list[bytes | None] = []
        headers: dict[int, Headers] = {}
        # One at a time: a list of record objects would be walked by the garbage collector.
        for record in batch:
            if record.offset >= start:
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


def fetch_columns(fetcher: Any) -> None:
    """From now on `fetched_records` of this aiokafka fetcher gives lists of `Records`.

    Before its first fetch only; calling it again changes nothing.
    """
    if not isinstance(fetcher._records, ColumnarResults):
        fetcher._records = ColumnarResults(fetcher._records)
