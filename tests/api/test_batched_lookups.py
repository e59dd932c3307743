"""Questions that come while a query is under way share the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest

from api.batched_lookups import BatchedLookups


class Answers:
    """Holds queries until they are let go, and remembers what each was asked."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, keys: Sequence[int]) -> Mapping[int, str]:
        self.asked.append(list(keys))
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return {key: f"#{key}" for key in keys if key >= 0}


def run(test: Callable[[Answers], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(Answers())

    asyncio.run(main())


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_one_alone_is_asked_at_once_and_the_others_together() -> None:
    async def test(answers: Answers) -> None:
        reads = BatchedLookups(answers, concurrency=1, batch_size=10)
        first = asyncio.create_task(reads.get(1))
        await settled()
        others = [asyncio.create_task(reads.get(n)) for n in (2, 3, 3, -4)]
        await settled()
        assert answers.asked == [[1]]
        answers.go.set()
        assert await asyncio.gather(first, *others) == ["#1", "#2", "#3", "#3", None]
        assert answers.asked == [[1], [2, 3, -4]]

    run(test)


def test_question_is_never_answered_by_a_query_that_began_before_it() -> None:
    async def test(answers: Answers) -> None:
        reads = BatchedLookups(answers, concurrency=2, batch_size=10)
        early = asyncio.create_task(reads.get(1))
        await settled()
        late = asyncio.create_task(reads.get(1))
        await settled()
        assert answers.asked == [[1], [1]]
        answers.go.set()
        assert await asyncio.gather(early, late) == ["#1", "#1"]

    run(test)


def test_queries_are_bounded_in_number_and_size() -> None:
    async def test(answers: Answers) -> None:
        reads = BatchedLookups(answers, concurrency=2, batch_size=2)
        tasks = [asyncio.create_task(reads.get(n)) for n in range(7)]
        await settled()
        assert len(answers.asked) == 2
        answers.go.set()
        assert await asyncio.gather(*tasks) == [f"#{n}" for n in range(7)]
        assert all(len(keys) <= 2 for keys in answers.asked)

    run(test)


def test_error_reaches_everybody_who_asked_and_nobody_after() -> None:
    async def test(answers: Answers) -> None:
        reads = BatchedLookups(answers, concurrency=1, batch_size=10)
        answers.go.set()
        answers.error = OSError("away")
        found = await asyncio.gather(*(reads.get(n) for n in (1, 2)), return_exceptions=True)
        assert [type(each) for each in found] == [OSError, OSError]
        answers.error = None
        assert await reads.get(1) == "#1"

    run(test)


def test_one_who_leaves_takes_the_answer_from_nobody() -> None:
    async def test(answers: Answers) -> None:
        reads = BatchedLookups(answers, concurrency=1, batch_size=10)
        leaver, stayer = (asyncio.create_task(reads.get(1)) for _ in range(2))
        await settled()
        leaver.cancel()
        answers.go.set()
        assert await stayer == "#1"
        with pytest.raises(asyncio.CancelledError):
            await leaver

    run(test)
