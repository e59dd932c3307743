"""`clickstream settle`: compute the facts of all days that have none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from core.settings import Settings


def command(
    quiet_seconds: Annotated[
        int, typer.Option(min=0, help="Leave out days written to within so many seconds.")
    ] = 0,
) -> None:
    """Compute the facts that analytics read, for every day that has changed; then exit.

    The read API does this by itself when its user may write to ClickHouse. Safe at any time, and
    from several processes at once: numbers are the same before, during and after.
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
            print(f"{due.day} {'settled' if done else 'is being written to'}", flush=True)
        await settler.sweep()
    finally:
        await settler.close()
