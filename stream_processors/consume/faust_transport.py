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
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Any, ClassVar, cast

from aiokafka.errors import IllegalStateError, KafkaError
from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from core.kafka.partitions import Partition
from core.telemetry import WORKER_LOST
from stream_processors.consume.batches import FetchedBatch, Records, portions
from stream_processors.consume.consumer_thread import BatchConsumerThread, Fetch, LogEnd
from stream_processors.consume.offset_ledger import OffsetLedger

log = logging.getLogger(__name__)

# Longest time a rebalance waits for a flush that is under way, seconds. Well below the session
# timeout (8 s by default), or the group would think this worker dead.
_FINISH_SECONDS = 3.0


# Batches of so many bytes go to the agent together. A trickle has a few hundred bytes from each of
# a dozen partitions in a fetch, and Faust took longer over them than we do.
_MESSAGE_BYTES = 256 * 1024


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
        self.before_assignment: Callable[[], Awaitable[None]] | None = None
        self.on_assignment: Callable[[Collection[int], int, bool], None] | None = None
        """Partitions, generation, and whether the group had no other assignment in between."""
        self._group_generation = 0
        self.in_group = asyncio.Event()

    @property
    def _consumer_thread(self) -> BatchConsumerThread:
        return cast(BatchConsumerThread, self._thread)

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(
        self,
        timeout: float,  # noqa: ASYNC109 - Faust's signature
    ) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        generation = self.generation
        fetch, _ = await self._wait_next_records(timeout)
        if not isinstance(fetch, Fetch) or self.should_stop:
            return
        if not self.flow_active or generation != self.generation:
            # A rebalance has begun. Faust seeks back to the committed offsets before it resumes, so
            # these records come again, to whoever owns them then.
            return
        if fetch.is_out_of_range:
            await self._skip_deleted(generation)
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
            if not self.flow_active or generation != self.generation:
                return  # the same, between two portions
            yield self._hand_out(batches)

    async def _read_skipped_again(self, fetch: Fetch, generation: int) -> set[TP]:
        """Go back where records were taken and never handed out; those partitions' part of this
        fetch is dropped, and comes again behind them."""
        skipped = {}
        for tp, before in fetch.before.items():
            partition = Partition(*tp)
            expected = self.ledger.position_of(partition, generation)
            if expected is not None and before > expected:
                log.info("%s: fetched from %d, reading again from %d", partition, before, expected)
                skipped[tp] = expected
        if skipped:
            await self._consumer_thread.read_from(skipped)
        return set(skipped)

    async def _skip_deleted(self, generation: int) -> None:
        """Move on where the next record is not in the log any more, and say what is lost.

        Looks at all partitions: aiokafka says of one at a time.
        """
        tps = self.assignment()
        try:
            begins, ends = await self.earliest_offsets(*tps), await self.highwaters(*tps)
        except (KafkaError, IllegalStateError) as error:
            log.warning("Kafka does not say yet where the log begins: %r", error)
            return  # the next fetch is out of range as well
        if generation != self.generation:
            return
        moved = {}
        for tp, first in begins.items():
            partition = Partition(*tp)
            expected = self.ledger.position_of(partition, generation)
            if expected is not None and first <= expected <= ends[tp]:
                continue
            if expected is not None and expected < first:
                _note_lost(partition, expected, first)
                self.ledger.advance(partition, generation, first)
            elif expected is not None:
                log.error(
                    "%s/%d: the log ends at %d, and %d was read before: what is left is read again",
                    *partition, ends[tp], expected,
                )  # fmt: skip
                self.ledger.start_at(partition, generation, first)
            moved[TP(*tp)] = first
        await self._consumer_thread.read_from(moved)

    def _hand_out(self, batches: Sequence[FetchedBatch]) -> tuple[TP, ConsumerMessage]:
        for batch in batches:
            self.ledger.hand_out(
                batch.source, batch.generation, batch.first, batch.next, batch.produced_ms
            )
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
        if self.before_assignment is not None:
            await self.before_assignment()
        self.generation += 1
        # Kafka counts assignments of the group: one that this process had no part in is a gap.
        follows = self.generation > 1 and generation_id == self._group_generation + 1
        self._group_generation = generation_id
        self.ledger.assign((Partition(*tp) for tp in assigned), self.generation)
        if self.on_assignment is not None:
            self.on_assignment({tp.partition for tp in assigned}, self.generation, follows)
        await super().on_partitions_assigned(assigned, generation_id)
        self.in_group.set()

    async def perform_seek(self) -> None:
        """Back to the committed offsets, and let the ledger know where that is."""
        await super().perform_seek()
        committed = {tp: self._read_offset.get(tp) for tp in self.assignment()}
        uncommitted = [tp for tp, offset in committed.items() if offset is None]
        # Without a commit reading begins at the beginning.
        beginnings = await self.earliest_offsets(*uncommitted) if uncommitted else {}
        await self._consumer_thread.read_from({TP(*tp): at for tp, at in beginnings.items()})
        for tp, offset in committed.items():
            start = beginnings[tp] if offset is None else offset
            self.ledger.start_at(Partition(*tp), self.generation, start)

    def unready_reason(self) -> str | None:
        """Why it gets nothing to read now; None when it is a member of its group. Any thread."""
        return self._consumer_thread.unready_reason()

    def end_of(self, partition: Partition) -> LogEnd:
        """End of the log as of the last fetch; zeros before the first."""
        return self._consumer_thread.log_end(TP(*partition))

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
        # The most bytes of a partition that a fetch may unpack; 0: the usual.
        self.unpacked_bytes = 0


def _note_lost(partition: Partition, first: int, end: int) -> None:
    WORKER_LOST.labels(partition.topic).inc(end - first)
    log.error(
        "%s/%d: records %d to %d are lost: the topic's retention deleted them before they were"
        " read", *partition, first, end - 1,
    )  # fmt: skip


def _batch(tp: TP, parts: Sequence[Records], fetch: Fetch, generation: int) -> FetchedBatch:
    offset, last = int(parts[0].offsets[0]), int(parts[-1].offsets[-1])
    return FetchedBatch(
        source=Partition(*tp),
        generation=generation,
        first=min(fetch.before.get(tp, offset), offset),
        next=max(fetch.after.get(tp, 0), last + 1),
        parts=parts,
    )
