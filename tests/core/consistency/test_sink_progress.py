"""Fetches and waits that are shared."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Collection, Coroutine, Mapping
from typing import Any

import pytest

from core.consistency.sink_progress import SinkProgress
from core.errors import BrokerUnavailable
from core.kafka.partitions import Partition
from tests.core.kafka.memory_offsets import MemoryOffsets

TOPIC = "sessions"
FIRST = Partition(TOPIC, 0)
SECOND = Partition(TOPIC, 1)


class GatedOffsets:
    """Answers when the test opens the gate, with what was true when the fetch began."""

    def __init__(self) -> None:
        self.log = MemoryOffsets({TOPIC: 2})
        self.began = asyncio.Semaphore(0)
        self.gate = asyncio.Semaphore(0)
        self.asked: list[set[Partition]] = []
        self.refusal: Exception | None = None

    async def partitions(self, topic: str) -> int:
        return await self.log.partitions(topic)

    async def ends(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return await self._pass(partitions, await self.log.ends(partitions))

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, int]:
        return await self._pass(partitions, await self.log.committed(partitions))

    async def close(self) -> None:
        self.asked.append(set())

    async def _pass(
        self, partitions: Collection[Partition], answer: Mapping[Partition, int]
    ) -> Mapping[Partition, int]:
        self.asked.append(set(partitions))
        self.began.release()
        await self.gate.acquire()
        if self.refusal is not None:
            raise self.refusal
        return answer


async def turns(count: int = 5) -> None:
    """Let every other task go as far as it can."""
    for _ in range(count):
        await asyncio.sleep(0)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


def test_call_during_a_fetch_waits_for_the_next_one() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        progress = SinkProgress(offsets)
        early = asyncio.create_task(progress.ends([FIRST]))
        await offsets.began.acquire()
        offsets.log.append(TOPIC, 0)
        late = asyncio.create_task(progress.ends([FIRST]))
        await turns()
        offsets.gate.release()
        assert (await early)[FIRST] == 0
        await turns()
        assert not late.done()
        offsets.gate.release()
        assert (await late)[FIRST] == 1

    run(test())


def test_calls_of_one_moment_share_one_fetch() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        progress = SinkProgress(offsets)
        calls = [asyncio.create_task(progress.ends([p])) for p in (FIRST, SECOND, FIRST)]
        await offsets.began.acquire()
        offsets.gate.release()
        await asyncio.gather(*calls)
        assert offsets.asked == [{FIRST, SECOND}]

    run(test())


def test_caller_that_gives_up_does_not_take_the_answer_from_others() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        progress = SinkProgress(offsets)
        impatient, patient = (asyncio.create_task(progress.ends([FIRST])) for _ in range(2))
        await offsets.began.acquire()
        impatient.cancel()
        offsets.gate.release()
        assert (await patient)[FIRST] == 0

    run(test())


def test_failed_fetch_reaches_its_callers_and_the_next_one_works() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        progress = SinkProgress(offsets)
        offsets.refusal = BrokerUnavailable("no broker")
        offsets.gate.release()
        with pytest.raises(BrokerUnavailable, match="no broker"):
            await progress.ends([FIRST])
        offsets.refusal = None
        offsets.gate.release()
        assert await progress.ends([FIRST]) == {FIRST: 0}

    run(test())


def test_wait_ends_once_every_target_is_committed() -> None:
    async def test() -> None:
        log = MemoryOffsets({TOPIC: 2})
        progress = SinkProgress(log, poll_seconds=0)
        wait = asyncio.create_task(progress.reached({FIRST: 2, SECOND: 1}))
        log.commit(TOPIC, 0, 2)
        await turns()
        log.commit(TOPIC, 1, 0)
        await turns()
        assert not wait.done()
        log.commit(TOPIC, 1, 1)
        await wait

    run(test())


def test_nothing_is_asked_while_nobody_waits() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        progress = SinkProgress(offsets, poll_seconds=0)
        wait = asyncio.create_task(progress.reached({FIRST: 1}))
        await offsets.began.acquire()
        wait.cancel()
        await turns()
        offsets.gate.release()
        await turns(20)
        assert offsets.asked == [{FIRST}]
        again = asyncio.create_task(progress.reached({SECOND: 0}))
        offsets.gate.release()
        await again
        assert offsets.asked == [{FIRST}, {SECOND}]

    run(test())


def test_one_that_begins_to_wait_during_a_poll_is_served_by_the_next() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        progress = SinkProgress(offsets, poll_seconds=0)
        stuck = asyncio.create_task(progress.reached({FIRST: 1}))
        await offsets.began.acquire()
        joined = asyncio.create_task(progress.reached({SECOND: 0}))
        await turns()
        offsets.gate.release()
        await offsets.began.acquire()
        assert not joined.done()
        offsets.gate.release()
        await joined
        stuck.cancel()

    run(test())


def test_broker_that_fails_during_a_wait_ends_it() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        progress = SinkProgress(offsets, poll_seconds=0)
        offsets.refusal = BrokerUnavailable("no broker")
        offsets.gate.release()
        with pytest.raises(BrokerUnavailable, match="no broker"):
            await progress.reached({FIRST: 1})

    run(test())


def test_close_ends_all_waits_with_a_reason_to_retry() -> None:
    async def test() -> None:
        offsets = GatedOffsets()
        progress = SinkProgress(offsets)
        waits = [
            asyncio.create_task(progress.ends([FIRST])),
            asyncio.create_task(progress.reached({FIRST: 1})),
        ]
        await offsets.began.acquire()
        waits.append(asyncio.create_task(progress.ends([SECOND])))
        await turns()
        await progress.close()
        for outcome in await asyncio.gather(*waits, return_exceptions=True):
            assert isinstance(outcome, BrokerUnavailable)

    run(test())


def test_error_that_nobody_waits_for_any_more_is_not_logged_as_unhandled() -> None:
    async def test() -> None:
        unhandled: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: unhandled.append(what))
        offsets = GatedOffsets()
        offsets.refusal = BrokerUnavailable("away")
        progress = SinkProgress(offsets)
        caller = asyncio.create_task(progress.ends([FIRST]))
        await offsets.began.acquire()
        caller.cancel()
        await turns()
        offsets.gate.release()
        await turns()
        await progress.close()
        offsets.refusal = None  # its traceback holds on to the answer
        del caller
        gc.collect()
        await turns()
        assert unhandled == []

    run(test())
