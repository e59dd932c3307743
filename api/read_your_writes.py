"""Read your writes: a request with a position waits until the sink has reached the position."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from fastapi import Header
from starlette.requests import Request

from api.facts_progress import FactsProgress
from core.consistency.position import POSITION_HEADER, Position, parse_positions
from core.kafka.partitions import Partition

T = TypeVar("T")


class ConsistentReads(Protocol):
    """What routes use of `core.consistency.consistent_reader.ConsistentReader`; see there."""

    async def find(self, session_id: str, look_up: Callable[[], Awaitable[T | None]]) -> T: ...

    async def wait_for(self, positions: Sequence[Position]) -> Mapping[Partition, int]: ...

    async def wait_for_events(self, session_id: str | None) -> None: ...

    async def wait_for_replicas(self) -> None: ...


def wait_for_position(
    reads: ConsistentReads, facts: FactsProgress | None = None
) -> Callable[..., Awaitable[None]]:
    """A FastAPI dependency that waits for the positions in the header Clickstream-Position.

    With `facts`, until the facts of sessions have them too.
    """

    async def wait(
        request: Request,
        _position: str = Header(
            "",
            alias=POSITION_HEADER,
            description="Values of this header from responses to writes, joined by commas. The "
            "response then contains those writes.",
        ),
    ) -> None:
        # All lines of it: together they are one list (RFC 9110, 5.3).
        lines = request.headers.getlist(POSITION_HEADER)
        targets = await reads.wait_for(parse_positions(",".join(lines)))
        if facts is not None and targets:
            await facts.reached(targets)
            # How far the facts are may be known where they are not copied yet.
            await reads.wait_for_replicas()

    return wait
