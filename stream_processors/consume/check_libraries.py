"""Refuses to start with a Faust or an aiokafka in which a private name that we use has changed.

Setting an attribute that a library no longer reads raises nothing: a worker would read records that
were never committed, and every test of ours would pass. So `check_names` looks for each name before
anything starts, and `check_consumer` looks at what the started consumer has made of our settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from types import CodeType
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.fetcher import (
    READ_COMMITTED,
    Fetcher,
    FetchResult,
    OffsetResetStrategy,
    PartitionRecords,
)
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import Assignment, SubscriptionState
from aiokafka.record.default_records import DefaultRecordBatchBuilder, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy as RawRecords
from faust.assignor.partition_assignor import PartitionAssignor
from faust.tables import TableManager
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer

from core.errors import SetupError
from stream_processors.consume.fetch_columns import ColumnarResults, ColumnsOfPartition

# Methods that we override: each must be there to be overridden, and is called by the library.
_METHODS: Final[Sequence[tuple[type, Sequence[str]]]] = (
    (
        AIOKafkaConsumerThread,
        (
            *("_create_worker_consumer", "_fetch_records", "_commit", "_ensure_consumer"),
            *("assignment", "on_start", "verify_event_path"),
        ),
    ),
    (
        Consumer,
        (
            *("_new_consumer_thread", "_wait_next_records", "_add_gap", "getmany", "ack"),
            *("force_commit", "perform_seek", "stop_flow", "highwaters", "earliest_offsets"),
            *("on_partitions_revoked", "on_partitions_assigned"),
        ),
    ),
    (TableManager, ("on_start", "_update_channels")),
    (PartitionRecords, ("_unpack_records", "_consume_aborted_up_to", "_contains_abort_marker")),
    (GroupCoordinator, ("need_rejoin",)),
    (SubscriptionState, ("subscription",)),
    (Assignment, ("state_value", "tps")),
    (_DefaultRecordBatchPy, ("validate_crc",)),
    (RawRecords, ("has_next", "next_batch")),
)

# Names that a function of the library reads or sets: attributes of its instances, and globals.
_USES: Final[Sequence[tuple[Any, Sequence[str]]]] = (
    (AIOKafkaConsumer.__init__, ("_fetch_min_bytes", "_fetch_max_wait_ms", "_isolation_level")),
    (AIOKafkaConsumer.start, ("_fetcher", "_coordinator", "_isolation_level", "_fetch_min_bytes")),
    (AIOKafkaConsumerThread.on_start, ("_consumer",)),
    (TableManager.on_start, ("_update_channels", "recovery")),
    (Fetcher._proc_fetch_request, ("MemoryRecords", "_records")),
    (Fetcher.__init__, ("_records", "_isolation_level", "_fetch_min_bytes", "_fetch_max_wait_ms")),
    (Fetcher._update_fetch_positions, ("_default_reset_strategy",)),
    (FetchResult.__init__, ("_partition_records", "_assignment", "_topic_partition")),
    (
        PartitionRecords.__init__,
        (
            *("_tp", "_records", "_aborted_producers", "_check_crcs", "_isolation_level"),
            *("_records_iterator", "next_fetch_offset"),
        ),
    ),
    (_DefaultRecordBatchPy.__init__, ("_buffer", "_pos", "_num_records")),
    (RawRecords._cache_next, ("_next_slice",)),
)


def check_names() -> None:
    """Raises SetupError that names every private name which has changed. Blocks for a moment."""
    missing = [*_missing_methods(), *_missing_uses()]
    if missing:
        raise _unknown_version(f"there is no {', '.join(missing)}")
    if aiokafka_fetcher.MemoryRecords is not RawRecords:
        raise _unknown_version("its fetcher does not hand out the bytes of what it fetched")
    if _records_read() != [(7, b"key", b"value")]:
        raise _unknown_version("its batches of records are not read as they were written")


def check_consumer(consumer: AIOKafkaConsumer, min_bytes: int, max_wait_ms: int) -> None:
    """Raises SetupError when a consumer that has started does not do as it was told.

    It must read committed records only, fetch by `min_bytes` and `max_wait_ms`, share partitions
    by Faust's assignor, and keep what it fetched where `deliver_columns` takes it from.
    """
    fetcher, coordinator = consumer._fetcher, consumer._coordinator
    wrong = [
        what
        for what, found, expected in (
            ("reads records that were never committed", fetcher._isolation_level, READ_COMMITTED),
            ("ignores the least bytes of a fetch", fetcher._fetch_min_bytes, min_bytes),
            (
                "skips what is not in the log without a word",
                fetcher._default_reset_strategy,
                OffsetResetStrategy.NONE,
            ),
            ("ignores the longest wait of a fetch", fetcher._fetch_max_wait_ms, max_wait_ms),
        )
        if found != expected
    ]
    if not all(isinstance(each, PartitionAssignor) for each in coordinator._assignors):
        wrong.append("separates the partitions of sessions from those of their events")
    if not isinstance(fetcher._records, ColumnarResults):
        wrong.append("hands out records one by one")
    if wrong:
        raise _unknown_version(f"the consumer {' and '.join(wrong)}")


def _missing_methods() -> Iterator[str]:
    for owner, names in _METHODS:
        yield from (f"{owner.__name__}.{name}" for name in names if not hasattr(owner, name))


def _missing_uses() -> Iterator[str]:
    for function, names in _USES:
        used = set(_names_in(function.__code__))
        yield from (f"{name} in {function.__qualname__}" for name in names if name not in used)


def _names_in(code: CodeType) -> Iterator[str]:
    """Of a function and of those inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _records_read() -> list[tuple[int, bytes | None, bytes | None]]:
    """A batch of one record, read in the way of the worker."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 2**16)
    builder.append(0, 1_700_000_000_000, b"key", b"value", [])
    built = bytearray(builder.build())
    built[:8] = (7).to_bytes(8, "big")  # where the batch begins, as a broker writes it
    fetched = PartitionRecords(
        None, RawRecords(bytes(built)), [], 7, None, None, True, READ_COMMITTED
    )
    (records,) = ColumnsOfPartition(fetched)
    return [records.record(row)[:3] for row in range(len(records))]


def _unknown_version(what: str) -> SetupError:
    versions = ", ".join(f"{name} {version(name)}" for name in ("faust-streaming", "aiokafka"))
    return SetupError(
        f"{versions}: {what}; install the versions that this release names"
        " (`pip install --upgrade clickstream`)"
    )
