"""`clickstream settle`: compute in advance what analytics read, for every day that has none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from core.settings import Settings


def settle(
    quiet_seconds: Annotated[
        int,
        typer.Option(
            min=0, help="Leave out days that were written to in the last seconds; this many."
        ),
    ] = 0,
) -> None:
    """Compute in advance what analytics read, for every day that has changed; then exit.

    The read API does this by itself when its user may write to ClickHouse. It is safe at any time,
    and from several processes at once: analytics give the same numbers before, during and after.
    """
    from clickstream.local.target_settings import operator_settings

    asyncio.run(_settle(operator_settings(), quiet_seconds))


async def _settle(settings: Settings, quiet_seconds: int) -> None:
    from api.settling.settler import Settler
    from core.clock import SystemClock

    settler = Settler(settings, SystemClock())
    try:
        for due in await settler.due(quiet_seconds):
            done = await settler.settle(due)
            outcome = (
                "computed" if done else "left out: it is being written to; run this again later"
            )
            print(f"{due.day} {outcome}", flush=True)
        await settler.delete_stale()
    finally:
        await settler.close()
