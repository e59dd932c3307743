"""Ends a process whose event loop hangs. Everything else that watches the worker runs on that loop,
and would hang with it."""

from __future__ import annotations

import asyncio
import faulthandler
from typing import Final

_BEAT_SECONDS: Final = 1.0


async def end_when_loop_hangs(stall_seconds: float) -> None:
    """Run it as a task of the loop to be watched; it ends by cancellation only.

    When the loop does nothing for `stall_seconds`, the process ends with status 1, after the stacks
    of all its threads were written to stderr. Time during which the process is stopped (SIGSTOP)
    counts; time during which the machine is suspended does not.
    """
    try:
        while True:
            # Starts the time anew. It runs out on a thread of C, which needs no lock of Python.
            faulthandler.dump_traceback_later(stall_seconds, exit=True)
            await asyncio.sleep(min(_BEAT_SECONDS, stall_seconds / 4))
    finally:
        faulthandler.cancel_dump_traceback_later()
