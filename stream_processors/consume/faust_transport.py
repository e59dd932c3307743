"""A Faust transport whose consumer yields one Faust message for many records.

Stock Faust makes a Message, an Event and a queue entry of every record. Here a message's value is
several `FetchedBatch`, of any partitions, so Faust costs the same for one record as for ten
thousand. Acknowledgement is ours as well: `OffsetLedger` says what may be committed, and nothing
else ever commits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as KafkaPartition
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from core.kafka.partitions import Partition
from stream_processors.consume.batches import FetchedBatch, Records, portions
from stream_processors.consume.check_libraries import check_consumer
from stream_processors.consume.fetch_columns import deliver_columns
from stream_processors.consume.offset_ledger import OffsetLedger

log = logging.getLogger(__name__)

# Longest time a rebalance waits for a flush that is under way, seconds. Well below the session
# timeout (8 s by default), or the group would think this worker dead.
_FINISH_SECONDS = 3.0


# The broker answers a fetch once it has so much, or after so long. Records that trickle in would
# otherwise come by ones and twos: at 5,000 a second that took a hundred times the CPU of a backlog.
_FETCH_BYTES = 256 * 1024
_FETCH_WAIT_MS = 25

# Batches of so many bytes go to the agent together. A trickle has a few hundred bytes from each of
# a dozen partitions in a fetch, and Faust took longer over them than we do.
_MESSAGE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Fetch:
    """What one fetch returned, with the consumer's position on either side of it.

    Positions are read on the consumer's own thread, next to the fetch: read later, they could
    already count records that nobody has been told of, and a commit would skip them.
    """

    records: Mapping[TP, Sequence[Records]]
    before: Mapping[TP, int]
    after: Mapping[TP, int]


class BatchConsumerThread(AIOKafkaConsumerThread):
    """The consumer's thread: fetches with positions, and a commit that fails is only logged."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._one_at_a_time = asyncio.Lock()

    async def on_start(self) -> None:
        await super().on_start()
        consumer = self._ensure_consumer()
        deliver_columns(consumer._fetcher)
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
            records = await super()._fetch_records(consumer, *args, **kwargs)
            return _Fetch(records, before, _positions(consumer))

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


class BatchConsumer(Consumer):
    """Hands out batches, keeps the ledger, commits what the ledger allows."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        transport = self.transport
        if not isinstance(transport, BatchTransport):
            raise TypeError("BatchConsumer belongs to BatchTransport")
        self.ledger = transport.ledger
        self.generation = 0
        self.finish_pending: Callable[[], Awaitable[None]] | None = None
        self.on_assignment: Callable[[Collection[int], int], None] | None = None
        self.in_group = asyncio.Event()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(
        self,
        timeout: float,  # noqa: ASYNC109 - Faust's signature
    ) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        generation = self.generation
        fetch, _ = await self._wait_next_records(timeout)
        if not isinstance(fetch, _Fetch) or self.should_stop:
            return
        if not self.flow_active or generation != self.generation:
            # A rebalance has begun. Faust seeks back to the committed offsets before it resumes, so
            # these records come again, to whoever owns them then.
            return
        skipped = await self._read_skipped_again(fetch, generation)
        for tp in fetch.after.keys() - fetch.records.keys() - skipped:
            self.ledger.advance(Partition(*tp), generation, fetch.after[tp])
        fetched = [
            _batch(TP(*tp), parts, fetch, generation)
            for tp, parts in fetch.records.items()
            if TP(*tp) not in skipped
        ]
        for batches in portions(fetched, _MESSAGE_BYTES):
            yield self._hand_out(batches)

    async def _read_skipped_again(self, fetch: _Fetch, generation: int) -> set[TP]:
        """Go back where records were taken and never handed out; those partitions' part of this
        fetch is dropped, and comes again behind them."""
        skipped = set()
        for tp, before in fetch.before.items():
            partition = Partition(*tp)
            expected = self.ledger.position_of(partition, generation)
            if expected is None or before <= expected:
                continue
            earliest = (await self.earliest_offsets(tp))[tp]
            if earliest > expected:
                log.error(
                    "%s: records %d to %d were deleted by the topic's retention before they were"
                    " read: they are lost", partition, expected, earliest - 1,
                )  # fmt: skip
                self.ledger.advance(partition, generation, earliest)
            log.info("%s: fetched from %d, reading again from %d", partition, before, expected)
            await self.seek(tp, max(expected, earliest))
            skipped.add(tp)
        return skipped

    def _hand_out(self, batches: Sequence[FetchedBatch]) -> tuple[TP, ConsumerMessage]:
        for batch in batches:
            self.ledger.hand_out(batch.source, batch.generation, batch.first, batch.next)
        # Whichever it is: all partitions lead to the one agent.
        tp = TP(*batches[0].source)
        return tp, ConsumerMessage(
            topic=tp.topic,
            partition=tp.partition,
            offset=batches[0].first,
            timestamp=0.0,
            timestamp_type=0,
            headers=None,
            key=None,
            value=batches,  # type: ignore[arg-type] # bytes for others, batches for us
            checksum=None,
            tp=tp,
            # Streams drop messages of another generation than the app's, without a word.
            generation_id=self.app.consumer_generation_id,
        )

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        # What is already here is better written and committed now than read again by a successor.
        # Only a courtesy: after the time limit the successor does read it again, to no effect.
        self.stop_flow()
        if self.finish_pending is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.finish_pending(), _FINISH_SECONDS)
        await super().on_partitions_revoked(revoked)
        self.ledger.revoke(Partition(*tp) for tp in revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        # Kafka's eager rebalance takes everything away before it gives: each partition starts again
        # from its committed offset, also one that was ours before.
        self.generation += 1
        self.ledger.assign((Partition(*tp) for tp in assigned), self.generation)
        if self.on_assignment is not None:
            self.on_assignment({tp.partition for tp in assigned}, self.generation)
        await super().on_partitions_assigned(assigned, generation_id)
        self.in_group.set()

    async def perform_seek(self) -> None:
        """Back to the committed offsets, and let the ledger know where that is."""
        await super().perform_seek()
        committed = {tp: self._read_offset.get(tp) for tp in self.assignment()}
        uncommitted = [tp for tp, offset in committed.items() if offset is None]
        # Without a commit reading begins at the beginning (consumer_auto_offset_reset=earliest).
        beginnings = await self.earliest_offsets(*uncommitted) if uncommitted else {}
        for tp, offset in committed.items():
            start = beginnings[tp] if offset is None else offset
            self.ledger.start_at(Partition(*tp), self.generation, start)

    def unready_reason(self) -> str | None:
        """Why it gets nothing to read now; None when it is a member of its group. Any thread."""
        return cast(BatchConsumerThread, self._thread).unready_reason()

    def end_of(self, partition: Partition) -> int:
        """End of the log as of the last fetch; 0 before the first."""
        return self.highwater(TP(*partition)) or 0

    def ack(self, message: Any) -> bool:
        """Faust's per-record acknowledgement, which is not ours. See OffsetLedger."""
        message.acked = True
        return True

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps are inside the ranges of the batches already."""

    async def force_commit(self, *_: Any, **__: Any) -> bool:
        """Commit what the ledger allows, all topics at once."""
        due = self.ledger.committable()
        if not due:
            return False
        committed = await self._commit({TP(*partition): o for partition, o in due.items()})
        if committed:
            self.ledger.committed(due)
        return committed


class BatchTransport(Transport):
    """Faust's aiokafka transport with our consumer, and the ledger of what it may commit."""

    Consumer: ClassVar[type[BatchConsumer]] = BatchConsumer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ledger = OffsetLedger()


def _batch(tp: TP, parts: Sequence[Records], fetch: _Fetch, generation: int) -> FetchedBatch:
    offset, last = int(parts[0].offsets[0]), int(parts[-1].offsets[-1])
    return FetchedBatch(
        source=Partition(*tp),
        generation=generation,
        first=min(fetch.before.get(tp, offset), offset),
        next=max(fetch.after.get(tp, 0), last + 1),
        parts=parts,
    )


def _positions(consumer: Any) -> dict[TP, int]:
    """Where each assigned partition stands; one without a position yet is left out."""
    subscription = consumer._subscription.subscription
    if subscription is None or subscription.assignment is None:
        return {}
    assignment = subscription.assignment
    states = {tp: assignment.state_value(tp) for tp in assignment.tps}
    return {TP(*tp): s.position for tp, s in states.items() if s.has_valid_position}
