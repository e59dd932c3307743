"""Every record of the log is handed out, under the assignment that holds: whatever is abandoned."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import pytest
from aiokafka.errors import IllegalStateError
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from core.kafka.partitions import Partition
from core.settings import Settings
from core.telemetry import WORKER_LOST
from stream_processors.consume import faust_transport
from stream_processors.consume.batches import FetchedBatch, Record, Records
from stream_processors.consume.consumer_thread import BatchConsumerThread, Fetch
from stream_processors.consume.faust_app import build_app
from stream_processors.consume.faust_transport import BatchConsumer

FIRST, SECOND = TP("events", 0), TP("events", 1)


class Broker:
    """What `BatchConsumer` asks of its thread: a log of two partitions, and a position in each."""

    def __init__(self, ends: Mapping[TP, int], gaps: frozenset[int] = frozenset()) -> None:
        """Offsets in `gaps` hold no record, as the markers of transactions."""
        self.begins = dict.fromkeys(ends, 0)
        self.ends = dict(ends)
        self.gaps = gaps
        self.positions = dict.fromkeys(ends, 0)

    async def read_from(self, offsets: Mapping[TP, int]) -> None:
        self.positions.update(offsets)

    def fetch(self, count: int) -> Fetch:
        before = dict(self.positions)
        records = {}
        for tp, position in before.items():
            self.positions[tp] = after = min(position + count, self.ends[tp])
            offsets = [n for n in range(position, after) if n not in self.gaps]
            if offsets:
                records[tp] = [Records.of(Record(n, b"k", b"v") for n in offsets)]
        return Fetch(records, before, dict(self.positions))


class Rig:
    """A consumer in its first assignment; `handed_out` is what it gave to the agent."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        app = build_app(Settings(_env_file=None), nobody)
        self.consumer = cast(BatchConsumer, app.consumer)
        cast(BatchConsumerThread, self.consumer._thread).thread_loop.close()
        self.consumer._thread = broker  # type: ignore[assignment] # in place of aiokafka's
        self.handed_out: list[FetchedBatch] = []
        self.assign(dict.fromkeys(broker.positions, 0))

    def assign(self, committed: Mapping[TP, int]) -> None:
        """As a rebalance does that leaves it all partitions."""
        self.consumer.stop_flow()
        self.consumer.generation += 1
        ledger, generation = self.consumer.ledger, self.consumer.generation
        ledger.revoke(Partition(*tp) for tp in committed)
        ledger.assign((Partition(*tp) for tp in committed), generation)
        for tp, offset in committed.items():
            ledger.start_at(Partition(*tp), generation, offset)
        self.broker.positions.update(committed)
        self.consumer.resume_flow()

    async def take(
        self,
        fetch: Callable[[], Fetch],
        before_it_comes: Callable[[], None] = lambda: None,
        after_a_message: Callable[[], None] = lambda: None,
    ) -> None:
        """One fetch, and what happens meanwhile."""

        async def wait_for_it(_: float) -> tuple[Fetch, None]:
            fetched = fetch()
            before_it_comes()
            return fetched, None

        self.consumer._wait_next_records = wait_for_it  # type: ignore[method-assign,assignment]
        async for _, message in self.consumer.getmany(1.0):
            self.handed_out += cast(Sequence[FetchedBatch], message.value)
            after_a_message()

    def offsets(self, tp: TP) -> list[int]:
        """All that were handed out, in their order."""
        parts = [p for b in self.handed_out if b.source == Partition(*tp) for p in b.parts]
        return [int(offset) for part in parts for offset in part.offsets]

    def position(self, tp: TP) -> int | None:
        return self.consumer.ledger.position_of(Partition(*tp), self.consumer.generation)


async def nobody(_: object) -> None:
    """Takes batches."""


def run(
    test: Callable[[Rig], Awaitable[None]],
    ends: Mapping[TP, int],
    gaps: frozenset[int] = frozenset(),
) -> None:
    async def go() -> None:
        await test(Rig(Broker(ends, gaps)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faust_transport, "_MESSAGE_BYTES", 1)  # each partition in its own message
        asyncio.run(go())


def test_what_an_abandoned_fetch_took_is_read_again_and_the_others_go_on() -> None:
    async def test(rig: Rig) -> None:
        await rig.take(lambda: rig.broker.fetch(2))
        abandoned = rig.broker.fetch(2)
        rig.broker.positions[SECOND] = abandoned.before[SECOND]  # it took of the first alone
        await rig.take(lambda: rig.broker.fetch(2))
        assert (rig.offsets(FIRST), rig.offsets(SECOND)) == ([0, 1], [0, 1, 2, 3])
        assert rig.position(FIRST) == 2, "else a commit would pass over what was abandoned"
        await rig.take(lambda: rig.broker.fetch(9))
        assert rig.offsets(FIRST) == rig.offsets(SECOND) == list(range(6))

    run(test, {FIRST: 6, SECOND: 6})


@pytest.mark.parametrize("stops_only", [True, False])
def test_what_comes_when_a_rebalance_has_begun_is_left_to_the_next_assignment(
    stops_only: bool,
) -> None:
    async def test(rig: Rig) -> None:
        begin = rig.consumer.stop_flow if stops_only else lambda: rig.assign({FIRST: 0})
        await rig.take(lambda: rig.broker.fetch(2), before_it_comes=begin)
        assert rig.handed_out == []
        assert rig.position(FIRST) == 0

    run(test, {FIRST: 2})


@pytest.mark.parametrize("stops_only", [True, False])
def test_a_rebalance_between_two_messages_of_a_fetch_ends_it(stops_only: bool) -> None:
    async def test(rig: Rig) -> None:
        begin = rig.consumer.stop_flow if stops_only else lambda: rig.assign({FIRST: 0, SECOND: 0})
        await rig.take(lambda: rig.broker.fetch(2), after_a_message=begin)
        assert len(rig.handed_out) == 1
        assert rig.position(SECOND) == 0

    run(test, {FIRST: 2, SECOND: 2})


def test_a_fetch_of_nothing_but_markers_moves_the_commit() -> None:
    async def test(rig: Rig) -> None:
        await rig.take(lambda: rig.broker.fetch(3))
        assert rig.handed_out == []
        assert rig.consumer.ledger.committable() == {Partition(*FIRST): 3}

    run(test, {FIRST: 3}, gaps=frozenset(range(3)))


@pytest.mark.parametrize("revoked", [True, False])
def test_what_retention_deleted_is_counted_once_and_by_the_owner_alone(revoked: bool) -> None:
    async def test(rig: Rig) -> None:
        lost = WORKER_LOST.labels(FIRST.topic)._value
        before = lost.get()
        rig.broker.begins[FIRST] = 4

        async def begins(*_: TP) -> Mapping[TP, int]:
            if revoked:
                rig.consumer.generation += 1
            return rig.broker.begins

        async def ends(*_: TP) -> Mapping[TP, int]:
            return rig.broker.ends

        rig.consumer.assignment = lambda: {FIRST}  # type: ignore[method-assign]
        rig.consumer.earliest_offsets = begins  # type: ignore[method-assign,assignment]
        rig.consumer.highwaters = ends  # type: ignore[method-assign,assignment]
        await rig.take(lambda: Fetch({}, {FIRST: 0}, {FIRST: 0}, is_out_of_range=True))
        assert lost.get() - before == (0 if revoked else 4)
        assert rig.broker.positions[FIRST] == (0 if revoked else 4)
        if not revoked:
            await rig.take(lambda: rig.broker.fetch(9))
            assert rig.offsets(FIRST) == [4, 5]

    run(test, {FIRST: 6})


def test_a_partition_that_was_taken_away_is_not_moved_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moved = {}

    class Consumer:
        def seek(self, tp: Any, offset: int) -> None:
            if tp.partition == FIRST.partition:
                raise IllegalStateError("no longer assigned")
            moved[tp] = offset

    thread = BatchConsumerThread.__new__(BatchConsumerThread)
    monkeypatch.setattr(BatchConsumerThread, "_ensure_consumer", lambda _: Consumer())
    asyncio.run(thread._read_from({FIRST: 1, SECOND: 2}))
    assert moved == {SECOND: 2}


happenings = st.sampled_from(["taken", "abandoned", "rebalance", "rebalance within", "written"])


@settings(max_examples=60, deadline=None)
@given(
    life=st.lists(st.tuples(happenings, st.integers(1, 4)), max_size=20),
    gaps=st.frozensets(st.integers(0, 11), max_size=6),
)
def test_whatever_happens_to_fetches_nothing_is_committed_that_was_not_written(
    life: list[tuple[str, int]], gaps: frozenset[int]
) -> None:
    ends = {FIRST: 12, SECOND: 7}

    async def test(rig: Rig) -> None:
        ledger, committed = rig.consumer.ledger, dict.fromkeys(ends, 0)
        written: dict[TP, set[int]] = {tp: set() for tp in ends}

        def write_and_commit() -> None:
            for batch in rig.handed_out:
                tp = TP(*batch.source)
                if ledger.is_current(batch.source, batch.generation):
                    written[tp].update(int(n) for part in batch.parts for n in part.offsets)
                    ledger.written(batch.source, batch.generation, batch.first)
            rig.handed_out.clear()
            due = ledger.committable()
            ledger.committed(due)
            committed.update({TP(*partition): offset for partition, offset in due.items()})
            for tp, offset in committed.items():
                assert written[tp] >= set(range(offset)) - gaps

        for what, count in life:
            match what:
                case "taken":
                    await rig.take(lambda: rig.broker.fetch(count))  # noqa: B023 - called at once
                case "abandoned":
                    rig.broker.fetch(count)
                case "rebalance":
                    rig.assign(committed)
                case "rebalance within":
                    await rig.take(
                        lambda: rig.broker.fetch(count),  # noqa: B023 - called at once
                        after_a_message=lambda: rig.assign(committed),
                    )
                case _:
                    write_and_commit()
        for _ in range(3):  # the first may have to go back
            await rig.take(lambda: rig.broker.fetch(12))
        write_and_commit()
        assert committed == ends
        assert written == {tp: set(range(end)) - gaps for tp, end in ends.items()}

    run(test, ends, gaps)
