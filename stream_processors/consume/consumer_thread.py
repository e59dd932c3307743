"""The consumer's own thread: fetches with positions, moves them, and commits.

Faust runs aiokafka on a thread with a loop of its own; whatever touches aiokafka's state does it
there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from aiokafka.consumer.fetcher import OffsetResetStrategy
from aiokafka.errors import (
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as KafkaPartition
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP

from stream_processors.consume.batches import Records
from stream_processors.consume.check_libraries import check_consumer
from stream_processors.consume.fetch_columns import deliver_columns

log = logging.getLogger(__name__)

# The broker answers a fetch once it has so much, or after so long. Records that trickle in would
# otherwise come by ones and twos: at 5,000 a second that took a hundred times the CPU of a backlog.
_FETCH_BYTES = 256 * 1024
_FETCH_WAIT_MS = 25


@dataclass(frozen=True, slots=True)
class Fetch:
    """What one fetch returned, with the consumer's position on either side of it.

    Positions are read on the consumer's own thread, next to the fetch: read later, they could
    already count records that nobody has been told of, and a commit would skip them.
    """

    records: Mapping[TP, Sequence[Records]]
    before: Mapping[TP, int]
    after: Mapping[TP, int]
    is_out_of_range: bool = False


@dataclass(frozen=True, slots=True)
class LogEnd:
    """Where a partition ends for a reader of committed records, and where it ends for all others.

    They differ while a transaction is open: what was written since it began is not read yet.
    """

    stable: int
    high: int


class BatchConsumerThread(AIOKafkaConsumerThread):
    """The consumer's thread: fetches with positions, and a commit that fails is only logged."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._one_at_a_time = asyncio.Lock()
        self.unpacked_bytes = cast(Any, self.consumer.transport).unpacked_bytes

    async def on_start(self) -> None:
        await super().on_start()
        consumer = self._ensure_consumer()
        deliver_columns(consumer._fetcher, self.unpacked_bytes)
        # Where to go when the position is not in the log is ours to say: aiokafka would go there
        # without a word of what was skipped.
        consumer._fetcher._default_reset_strategy = OffsetResetStrategy.NONE
        check_consumer(consumer, _FETCH_BYTES, _FETCH_WAIT_MS)

    def _create_worker_consumer(self, transport: Any) -> Any:
        """Stock Faust sets none of these; the fetcher reads them when the consumer starts."""
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_min_bytes = _FETCH_BYTES
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        # What a producer took back (an aborted transaction) was never there.
        consumer._isolation_level = "read_committed"
        return consumer

    async def _fetch_records(self, consumer: Any, *args: Any, **kwargs: Any) -> Any:
        # Faust cancels the caller at a rebalance, but not this: the abandoned fetch may still take
        # records, even of the next assignment, and nobody gets them. One at a time, so that what it
        # took shows as a gap between one fetch's `after` and the next one's `before`.
        async with self._one_at_a_time:
            before = _positions(consumer)
            try:
                records = await super()._fetch_records(consumer, *args, **kwargs)
            except (OffsetOutOfRangeError, NoOffsetForPartitionError):
                # Raised alone, never with records of other partitions.
                return Fetch({}, before, before, is_out_of_range=True)
            return Fetch(records, before, _positions(consumer))

    async def read_from(self, offsets: Mapping[TP, int]) -> None:
        """Fetch these partitions from there on; one that was taken away meanwhile is left alone."""
        await self.call_thread(self._read_from, offsets)

    async def _read_from(self, offsets: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        for tp, offset in offsets.items():
            with contextlib.suppress(IllegalStateError):
                consumer.seek(KafkaPartition(*tp), offset)

    def log_end(self, tp: TP) -> LogEnd:
        """As of the last fetch; zeros before the first, and of a partition that is not ours."""
        consumer = self._ensure_consumer()
        try:
            stable = consumer.last_stable_offset(KafkaPartition(*tp))
            high = consumer.highwater(KafkaPartition(*tp))
        except IllegalStateError:
            return LogEnd(0, 0)
        return LogEnd(high or 0 if stable is None else stable, high or 0)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Stock Faust crashes the app when a commit fails. A commit that fails costs a redelivery,
        which changes nothing, and an outage of the broker must not take the worker down."""
        assignment = self.assignment()
        ours = {
            KafkaPartition(tp.topic, tp.partition): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
            if tp in assignment
        }
        if not ours:
            return False
        try:
            await self._ensure_consumer().commit(ours)
        except KafkaError as error:
            log.warning("offsets are not committed yet: %r", error)
            return False
        return True

    def unready_reason(self) -> str | None:
        """Why it gets nothing to read now; None when it is a member of its group. Any thread."""
        consumer = self._consumer
        if consumer is None or consumer._coordinator is None:
            return "connecting to Kafka"
        if consumer._coordinator.coordinator_id is None:
            return "Kafka does not answer: its group has no coordinator"
        subscription = consumer._subscription.subscription
        if subscription is None or consumer._coordinator.need_rejoin(subscription):
            return "waiting for the group to assign partitions"
        return None

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's own stall detector counts per-record events that we do not make; see watchdog."""


def _positions(consumer: Any) -> dict[TP, int]:
    """Where each assigned partition stands; one without a position yet is left out."""
    subscription = consumer._subscription.subscription
    if subscription is None or subscription.assignment is None:
        return {}
    assignment = subscription.assignment
    states = {tp: assignment.state_value(tp) for tp in assignment.tps}
    return {TP(*tp): s.position for tp, s in states.items() if s.has_valid_position}
