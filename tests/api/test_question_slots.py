"""A key's questions take turns, and no other key waits for them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from api.question_slots import _WAITING_FOR_EACH, QuestionSlots
from core.errors import TooManyRequests


def test_questions_of_a_key_take_turns() -> None:
    async def test() -> None:
        slots, running, most = QuestionSlots(2, 60), 0, 0

        async def ask() -> None:
            nonlocal running, most
            async with slots.held("a"):
                running += 1
                most = max(most, running)
                await asyncio.sleep(0)
                running -= 1

        await asyncio.gather(*(ask() for _ in range(2 * (1 + _WAITING_FOR_EACH))))
        assert most == 2

    asyncio.run(test())


def test_other_keys_do_not_wait() -> None:
    async def test() -> None:
        slots = QuestionSlots(1, 60)
        async with slots.held("a"), slots.held("b"), slots.held(None):
            pass

    asyncio.run(test())


def test_a_turn_that_does_not_come_is_a_429_and_leaves_nothing() -> None:
    async def test() -> None:
        slots = QuestionSlots(1, 0.001)
        async with slots.held("a"):
            with pytest.raises(TooManyRequests, match="QUESTIONS_PER_KEY"):
                async with slots.held("a"):
                    pytest.fail("it is not its turn")
        async with slots.held("a"):
            pass

    asyncio.run(test())


def test_when_too_many_wait_the_next_is_refused_at_once() -> None:
    async def test() -> None:
        slots, most = QuestionSlots(1, 60), 1 + _WAITING_FOR_EACH

        async def ask(may_end: asyncio.Event) -> None:
            async with slots.held("a"):
                await may_end.wait()

        may_end = asyncio.Event()
        asked = [asyncio.create_task(ask(may_end)) for _ in range(most)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests):
            async with slots.held("a"):
                pytest.fail("too many wait")
        may_end.set()
        await asyncio.gather(*asked)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(slots.held("a"))

    asyncio.run(test())
