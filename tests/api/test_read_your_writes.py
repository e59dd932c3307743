"""In which order a read with a position waits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

from starlette.requests import Request

from api.facts_progress import FactsProgress
from api.read_your_writes import ConsistentReads, wait_for_position
from core.consistency.position import Position
from core.kafka.partitions import Partition


class Steps:
    """Both the sink and the facts, and what was waited for."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def wait_for(self, positions: Sequence[Position]) -> Mapping[Partition, int]:
        return {Partition(each.topic, each.partition): each.offset + 1 for each in positions}

    async def reached(self, targets: Mapping[Partition, int]) -> None:
        self.taken.append(f"facts of {sum(targets.values())}")

    async def wait_for_replicas(self) -> None:
        self.taken.append("replicas")


def waited(position: str) -> list[str]:
    steps = Steps()
    wait = wait_for_position(cast(ConsistentReads, steps), cast(FactsProgress, steps))
    headers = [(b"clickstream-position", position.encode())] if position else []

    async def read() -> None:
        await wait(Request({"type": "http", "headers": headers}), "")

    asyncio.run(read())
    return steps.taken


def test_replicas_are_waited_for_when_the_facts_are_written() -> None:
    """They may be written after the sink has committed, and be copied later still."""
    assert waited("t/3@7") == ["facts of 8", "replicas"]


def test_a_read_without_a_position_waits_for_nothing() -> None:
    assert waited("") == []
