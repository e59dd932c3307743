"""Read your writes: a request that carries a position token waits until the sink has reached it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from fastapi import Header

from core.consistency.position import POSITION_HEADER, Position, parse_positions

T = TypeVar("T")


class Certainty(Protocol):
    """What the routes need of `ConsistentReader` (core/consistency); the promises are there."""

    async def find(self, session_id: str, look: Callable[[], Awaitable[T | None]]) -> T: ...

    async def wait_for(self, positions: Sequence[Position]) -> None: ...


def caught_up(certainty: Certainty) -> Callable[[str], Awaitable[None]]:
    """A FastAPI dependency of every read, that honours the request header Clickstream-Position."""

    async def wait(
        position: str = Header(
            "",
            alias=POSITION_HEADER,
            description="What writes returned under this name, joined by commas: the answer then "
            "contains those writes",
        ),
    ) -> None:
        await certainty.wait_for(parse_positions(position))

    return wait
