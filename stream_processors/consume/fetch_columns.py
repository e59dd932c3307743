"""Fetched bytes → columns of records, one fetch of a partition at a time.

aiokafka makes a `ConsumerRecord` of every record: about 1 µs each, and several times that once the
garbage collector has a few hundred thousand of them to walk. So it cuts what was fetched into
batches and checks them, and we make columns of their bytes.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, cast

from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.record.memory_records import _MemoryRecordsPy as RawRecords

from stream_processors.consume.batch_as_avro_array import Block, block_of, columns_of
from stream_processors.consume.batches import Record, Records
from stream_processors.consume.unpack_batch import (
    Unpacker,
    produced_ms_of,
    range_of,
    records_of,
)

log = logging.getLogger(__name__)

# What a fetcher makes of each fetch. The compiled one keeps the bytes to itself. Here, and not with
# `deliver_columns`: a fetcher begins to fetch as soon as it is made.
aiokafka_fetcher.MemoryRecords = RawRecords

# Fetches of fewer bytes are left to aiokafka's parser: reading blocks takes 0.4 ms of calls of
# Arrow's and NumPy's, however few records there are, and that parser 1 to 2 µs for each.
_FEW_BYTES = 64 * 1024


# A batch with a wrong checksum is fetched so often: what was damaged on the way comes whole then.
_READINGS: Final = 3


@dataclass(slots=True)
class FetchLimits:
    """What one fetch of a partition may take, for all partitions of a consumer.

    `unpacked_bytes` is the most that a batch may have uncompressed; a fetch ends behind the batch
    that reaches it. `damaged` counts how often a batch had a wrong checksum, by its offset.
    """

    unpacked_bytes: int = 32 * 2**20
    damaged: Counter[tuple[Any, int]] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Batch:
    """One batch: as it was fetched, as aiokafka's, uncompressed, or why it cannot be read."""

    data: memoryview
    opened: Any
    plain: memoryview
    why_unreadable: str | None = None


class _FetchAgain(Exception):
    """This batch, and what lies behind it."""


class ColumnsOfPartition(PartitionRecords):  # type: ignore[misc] # aiokafka has no types
    """Yields the `Records` of the whole fetch at once, if it has any.

    A batch that cannot be read stops nobody: it becomes one row, with its bytes and the reason.
    """

    next_fetch_offset: int

    def __init__(
        self,
        stock: PartitionRecords,
        limits: FetchLimits | None = None,
        log_end: int | None = None,
    ) -> None:
        """Takes over from a stock one that nobody has begun to read, of `RawRecords`.

        `log_end` is the end of the log as of this fetch: no batch reaches beyond it.
        """
        self.__dict__.update(stock.__dict__)
        # Its generator holds it and is held by it: the fetch's bytes would stay until the garbage
        # collector comes by, which is seldom (hundreds of megabytes at full rate).
        stock._records_iterator = None  # closing it lets go of nothing from Python 3.12 on
        self._limits = FetchLimits() if limits is None else limits
        self._log_end = log_end
        self._records_iterator = self._unpack_records()

    def _unpack_records(self) -> Iterator[Records]:
        start = self.next_fetch_offset
        unpacker = Unpacker(self._limits.unpacked_bytes)
        batches: list[_Batch] = []
        room = self._limits.unpacked_bytes
        while room > 0 and self._records.has_next():
            data = self._records._next_slice
            try:
                batch, behind = self._next_batch(data, unpacker)
            except _FetchAgain:
                break
            except Exception as error:
                why = str(error) or type(error).__name__
                batch, behind = _Batch(data, None, data, why), self._behind_unreadable(data)
            if batch is not None:
                batches.append(batch)
                room -= len(batch.plain)
            # Also behind a batch without records for us: what is left of it is never delivered.
            self.next_fetch_offset = behind
            start = min(start, behind)
        # The first batch comes whole: what lies before `start` in it was read before.
        if len(records := self._columns(batches, start).since(start)):
            yield replace(records, produced_ms=min(produced_ms_of(b.data) for b in batches))

    def _next_batch(self, data: memoryview, unpacker: Unpacker) -> tuple[_Batch | None, int]:
        """The batch, None where it is not for us, and the offset behind it.

        Raises _FetchAgain, and anything else for a batch that cannot be read.
        """
        opened = self._records.next_batch()
        if self._check_crcs and not opened.validate_crc():
            self._note_damage(opened.base_offset)
            raise ValueError("its checksum is wrong")
        plain = None if self._is_hidden(opened) else unpacker.unpack(data)
        return None if plain is None else _Batch(data, opened, plain), opened.next_offset

    def _note_damage(self, offset: int) -> None:
        """Raises _FetchAgain while it may have happened on the way."""
        damaged = self._limits.damaged
        damaged[self._tp, offset] += 1
        if damaged[self._tp, offset] < _READINGS:
            log.warning(
                "%s/%d: the batch at offset %d has a wrong checksum: it is fetched again",
                *self._tp, offset,
            )  # fmt: skip
            raise _FetchAgain
        del damaged[self._tp, offset]

    def _behind_unreadable(self, data: memoryview) -> int:
        """The offset behind a batch whose own header may be wrong."""
        following = self._records._next_slice
        if following is not None and following is not data:
            return max(self.next_fetch_offset + 1, range_of(following)[0])
        _, behind = range_of(data)
        if self._log_end is not None:
            behind = min(behind, self._log_end)
        return max(self.next_fetch_offset + 1, behind)

    def _is_hidden(self, batch: Any) -> bool:
        """Whether the batch is Kafka's own (a transaction marker), or was never committed."""
        if self._isolation_level == READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)

    def _columns(self, batches: Sequence[_Batch], start: int) -> Records:
        """Their records; one row for each that cannot be read, at `start` at the earliest."""
        if sum(len(batch.data) for batch in batches) >= _FEW_BYTES and not any(
            batch.why_unreadable for batch in batches
        ):
            blocks = [block_of(batch.plain) for batch in batches]
            found = None if None in blocks else columns_of(cast("list[Block]", blocks))
            if found is not None:
                return found
        rows: list[Record] = []
        undecodable: dict[int, str] = {}
        for batch in batches:
            why = batch.why_unreadable
            if why is None:
                try:
                    rows += records_of(batch.plain, batch.opened)
                    continue
                except Exception as error:
                    why = str(error) or type(error).__name__
            first, behind = range_of(batch.data)
            undecodable[len(rows)] = f"records {first} to {behind - 1}: {why}"
            rows.append(Record(max(first, start), None, bytes(batch.data)))
            log.error(
                "%s/%d: the records %d to %d cannot be read, the batch becomes a dead letter: %s",
                *self._tp, first, behind - 1, why,
            )  # fmt: skip
        return replace(Records.of(rows), undecodable=undecodable)


class ColumnarResults(OrderedDict[Any, Any]):
    """The fetcher's buffer of fetched partitions: what is put in yields columns from then on."""

    def __init__(self, found: Mapping[Any, Any] = MappingProxyType({}), most: int = 0) -> None:
        """Not more than `most` bytes of a partition are unpacked at once; 0: the usual limit."""
        self._limits = FetchLimits(most) if most else FetchLimits()
        super().__init__(found)

    def __setitem__(self, partition: Any, result: Any) -> None:
        if isinstance(result, FetchResult):
            result._partition_records = ColumnsOfPartition(
                result._partition_records, self._limits, _log_end(result)
            )
        super().__setitem__(partition, result)


def _log_end(result: Any) -> int | None:
    """The high watermark that came with this fetch."""
    if result._assignment is None:
        return None
    end: int | None = result._assignment.state_value(result._topic_partition).highwater
    return end


def deliver_columns(fetcher: Any, unpacked_bytes: int = 0) -> None:
    """From now on `fetched_records` of this aiokafka fetcher gives lists of `Records`.

    Before its first fetch only; calling it again changes nothing. `unpacked_bytes`: see
    `ColumnarResults`.
    """
    if not isinstance(fetcher._records, ColumnarResults):
        fetcher._records = ColumnarResults(fetcher._records, unpacked_bytes)
