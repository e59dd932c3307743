from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from confluent_kafka import KafkaError
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BrokerUnavailable, RecordTooLarge, WriteForbidden
from producers.async_producer import AsyncProducer, PendingSend
from tests.producers.fake_producer import FATAL, PURGED, TIMED_OUT, FakeProducer

KEY = b"s-1"


def with_producer(
    act: Callable[[AsyncProducer, FakeProducer], Awaitable[None]],
    on_fatal: Callable[[], None] = lambda: None,
    timeout_ms: str = "4000",
) -> None:
    """Run `act` on a producer to a fake producer, and close it."""
    made: list[FakeProducer] = []

    def make(options: dict[str, object]) -> FakeProducer:
        made.append(FakeProducer(options))
        return made[0]

    async def run() -> None:
        producer = AsyncProducer({"message.timeout.ms": timeout_ms}, on_fatal, make)  # type: ignore[arg-type]  # a stand-in
        try:
            async with asyncio.timeout(30):
                await act(producer, made[0])
        finally:
            await producer.close(0)

    asyncio.run(run())


async def sending(producer: AsyncProducer, *values: bytes) -> asyncio.Task[PendingSend]:
    """A send that has been handed over and waits."""
    task = asyncio.create_task(producer.send("topic", KEY, values))
    await asyncio.sleep(0.01)  # several ticks
    return task


def test_send_returns_the_last_place_when_every_record_is_acknowledged() -> None:
    async def act(producer: AsyncProducer, fake: FakeProducer) -> None:
        task = await sending(producer, b"a", b"b", b"c")
        assert fake.sent == [("topic", KEY, b"a"), ("topic", KEY, b"b"), ("topic", KEY, b"c")]
        fake.acknowledge(5, 41, 42)
        assert not task.done()
        fake.acknowledge(5, 43)
        pending = await task
        assert (pending.partition, pending.offset) == (5, 43)

    with_producer(act)


def test_one_record_that_is_not_acknowledged_fails_the_whole_send() -> None:
    async def act(producer: AsyncProducer, fake: FakeProducer) -> None:
        task = await sending(producer, b"a", b"b")
        fake.fail(TIMED_OUT)
        fake.acknowledge(5, 42)
        with pytest.raises(BrokerUnavailable, match="may be stored or not"):
            await task

    with_producer(act)


def test_a_full_queue_is_refused_at_once() -> None:
    async def act(producer: AsyncProducer, fake: FakeProducer) -> None:
        fake.room = 1
        with pytest.raises(BrokerUnavailable, match="too many records"):
            await producer.send("topic", KEY, [b"a", b"b"])

    with_producer(act)


@pytest.mark.parametrize("offset", [None, -1, -1001])
def test_an_offset_that_the_broker_does_not_tell_is_unknown(offset: int | None) -> None:
    async def act(producer: AsyncProducer, fake: FakeProducer) -> None:
        task = await sending(producer, b"a", b"b", b"c")
        fake.acknowledge(5, 41, offset, 43)
        pending = await task
        assert (pending.partition, pending.offset) == (5, None)

    with_producer(act)


def test_a_caller_that_gave_up_does_not_disturb_the_others() -> None:
    async def act(producer: AsyncProducer, fake: FakeProducer) -> None:
        gone, staying = await sending(producer, b"a"), await sending(producer, b"b")
        gone.cancel()
        await asyncio.sleep(0)
        fake.acknowledge(0, 1, 2)
        assert (await staying).offset == 2

    with_producer(act)


def test_closing_reports_what_could_not_be_delivered() -> None:
    async def act(producer: AsyncProducer, fake: FakeProducer) -> None:
        task = await sending(producer, b"a")
        await producer.close(0)
        with pytest.raises(BrokerUnavailable, match=PURGED.str()):
            await task

    with_producer(act)


@pytest.mark.parametrize("how", ["report", "alarm", "refusal"])
def test_a_fatal_error_is_told_once_however_it_shows(how: str) -> None:
    told: list[str] = []

    async def act(producer: AsyncProducer, fake: FakeProducer) -> None:
        first, second = await sending(producer, b"a"), await sending(producer, b"b")
        if how == "alarm":
            fake.raise_alarm(FATAL)
            fake.raise_alarm(FATAL)
        if how == "refusal":
            fake.refusal = FATAL
            for _ in range(2):
                with pytest.raises(BrokerUnavailable):
                    await producer.send("topic", KEY, [b"c"])
        for task in (first, second):
            fake.fail(FATAL if how == "report" else TIMED_OUT)
            with pytest.raises(BrokerUnavailable):
                await task
        await asyncio.sleep(0)
        assert told == ["fatal"]

    with_producer(act, lambda: told.append("fatal"))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([RuntimeError, TypeError, ValueError, OSError]), max_size=4))
def test_polling_goes_on_whatever_a_poll_raises(faults: list[type[Exception]]) -> None:
    async def act(producer: AsyncProducer, fake: FakeProducer) -> None:
        left, poll = list(faults), fake.poll

        def odd(timeout: float) -> int:
            if left:
                raise left.pop()("from a callback")
            return poll(timeout)

        first = await sending(producer, b"a")
        fake.poll = odd  # type: ignore[method-assign]  # nothing is known to raise
        fake.acknowledge(0, 1)
        assert (await first).offset == 1
        assert not left
        assert producer.reasons() == []
        second = await sending(producer, b"b")
        fake.acknowledge(0, 2)
        assert (await second).offset == 2

    with_producer(act)


def test_a_poll_that_always_fails_shows_in_readiness_and_every_send_ends() -> None:
    async def act(producer: AsyncProducer, fake: FakeProducer) -> None:
        def odd(timeout: float) -> int:
            raise RuntimeError("from a callback")

        fake.poll = odd  # type: ignore[method-assign]  # nothing is known to raise
        task = await sending(producer, b"a")
        assert "polling Kafka fails (RuntimeError)" in producer.reasons()[0]
        await asyncio.sleep(1.2)
        assert "the oldest write has waited" in producer.reasons()[1]
        with pytest.raises(BrokerUnavailable, match="no delivery report"):
            await task

    with_producer(act, timeout_ms="0")


def test_a_send_ends_although_producing_fails_in_a_way_that_nobody_foresaw() -> None:
    async def act(producer: AsyncProducer, fake: FakeProducer) -> None:
        def odd(*_: object, **__: object) -> None:
            raise TypeError("odd")

        fake.produce = odd  # type: ignore[method-assign]  # nothing is known to raise
        with pytest.raises(BrokerUnavailable):
            await producer.send("topic", KEY, [b"a", b"b"])
        assert producer.reasons() == []

    with_producer(act)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, RecordTooLarge),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, WriteForbidden),
    ],
)
def test_what_passes_by_no_retry_says_so(code: int, kind: type[Exception]) -> None:
    async def act(producer: AsyncProducer, fake: FakeProducer) -> None:
        task = await sending(producer, b"a")
        fake.fail(KafkaError(code))
        with pytest.raises(kind):
            await task

    with_producer(act)
