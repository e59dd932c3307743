"""One child process: is it alive, what did it say last, stop it in time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path


class Child:
    """A started process that leads a process group. Made by `ProcessManager.spawn`."""

    def __init__(
        self,
        name: str,
        process: subprocess.Popen[bytes],
        log: Path,
        forget: Callable[[], None],
    ) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._forget = forget

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_status(self) -> int | None:
        """None while it runs; negative is the number of the signal that ended it. Never blocks."""
        return self._process.poll()

    def terminate(self) -> None:
        """SIGTERM; returns at once. A process that has ended is left alone."""
        if self._process.poll() is None:
            self._process.terminate()

    def stop(self, grace_seconds: float) -> bool:
        """SIGTERM, then after the grace SIGKILL for its whole group. False if it had to be killed.

        Blocks for the grace at most. May be called again, and after the process ended by itself.
        """
        self.terminate()
        try:
            self._process.wait(grace_seconds)
            obeyed = True
        except subprocess.TimeoutExpired:
            obeyed = False
        self.kill()
        return obeyed

    def kill(self) -> None:
        """SIGKILL for the whole group, also for what the process itself left behind."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._forget()

    def log_tail(self, count: int = 15) -> str:
        """The end of its log, indented, for an error message."""
        return log_tail(self.log, count)


def log_tail(log: Path, count: int) -> str:
    """The last `count` lines of a file, indented; empty for a file that is not there."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 32 * 1024))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-count:])
