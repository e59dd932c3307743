"""Wait until something answers, or the process behind it has died, or time is up."""

from __future__ import annotations

import time
from collections.abc import Callable

from clickstream.local.processes.child_process import Child
from core.errors import EngineError

# Short against any start-up, long enough to leave the core to the process that is starting.
_POLL_SECONDS = 0.1


def wait_until_ready(child: Child, probe: Callable[[], bool], deadline_seconds: float) -> None:
    """Return once `probe` says yes.

    `probe` must itself be bounded in time and not raise for a server that is not there yet. Raises
    EngineError with the end of the log when the process ends first or the deadline passes.
    """
    deadline = time.monotonic() + deadline_seconds
    while not probe():
        status = child.exit_status()
        if status is not None:
            raise EngineError(_with_log(f"{child.name} ended with status {status}", child))
        if time.monotonic() > deadline:
            raise EngineError(
                _with_log(f"{child.name} gave no answer in {deadline_seconds:.0f} s", child)
            )
        time.sleep(_POLL_SECONDS)


def _with_log(message: str, child: Child) -> str:
    said = child.log_tail()
    return f"{message}; its log is {child.log}" + (f" and ends\n{said}" if said else " (empty)")
