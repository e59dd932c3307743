from __future__ import annotations

import asyncio

import pytest

from producers.patience import Patience


async def never() -> None:
    await asyncio.Event().wait()


async def at_once(value: int) -> int:
    await asyncio.sleep(0)
    return value


def test_a_short_wait_has_its_result() -> None:
    async def run() -> list[int]:
        patience = Patience(60)
        return list(await asyncio.gather(*(patience.wait(at_once(n)) for n in range(100))))

    assert asyncio.run(run()) == list(range(100))


def test_a_long_wait_ends_and_the_task_lives_on() -> None:
    async def run() -> int:
        patience = Patience(0.01)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await patience.wait(never())
        return await patience.wait(at_once(1))

    assert asyncio.run(run()) == 1


def test_only_what_is_overdue_ends() -> None:
    async def run() -> None:
        patience = Patience(0.05)
        begun = asyncio.Event()

        async def begin_later() -> None:
            await begun.wait()
            await patience.wait(never())

        first, second = (
            asyncio.create_task(patience.wait(never())),
            asyncio.create_task(begin_later()),
        )
        with pytest.raises(TimeoutError):
            await first
        begun.set()
        await asyncio.sleep(0)
        assert not second.done()
        with pytest.raises(TimeoutError):
            await second

    asyncio.run(run())


def test_an_error_of_the_thing_itself_comes_through() -> None:
    async def fail() -> None:
        raise KeyError("its own")

    with pytest.raises(KeyError, match="its own"):
        asyncio.run(Patience(60).wait(fail()))


def test_who_cancels_a_waiting_task_gets_it_cancelled() -> None:
    async def run() -> None:
        task = asyncio.create_task(Patience(60).wait(never()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_an_idle_patience_keeps_no_timer() -> None:
    async def run() -> None:
        patience = Patience(0.01)
        await patience.wait(at_once(1))
        with pytest.raises(TimeoutError):
            await patience.wait(never())
        assert patience._timer is None

    asyncio.run(run())
