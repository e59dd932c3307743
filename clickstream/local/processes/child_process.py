"""One child process: wait until it is ready, see its log, stop it in time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from core.errors import EngineError

# Short against any start-up, long enough to leave the core to the process that is starting.
_POLL_SECONDS = 0.1
_STOP_POLL_SECONDS = 0.02


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
        self._is_gone = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_status(self) -> int | None:
        """None while it runs; negative is the number of the signal that ended it. Never blocks."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._process.poll()
        if self._process.returncode is not None:
            return self._process.returncode
        # Left as a zombie until `kill`: only so does its group's number belong to nobody else.
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def wait_until_ready(self, probe: Callable[[], bool], deadline_seconds: float) -> None:
        """Return once `probe` returns True.

        `probe` must be bounded in time, and not raise for a server that is not there yet. Raises
        EngineError with the end of the log when the process ends first or the deadline passes.
        """
        deadline = time.monotonic() + deadline_seconds
        while not probe():
            status = self.exit_status()
            if status is not None:
                raise EngineError(self._with_log(f"{self.name} ended with status {status}"))
            if time.monotonic() > deadline:
                raise EngineError(
                    self._with_log(f"{self.name} gave no answer in {deadline_seconds:.0f} s")
                )
            time.sleep(_POLL_SECONDS)

    def terminate(self) -> None:
        """SIGTERM; returns at once. A process that has ended is left alone."""
        if self.exit_status() is None:
            os.kill(self.pid, signal.SIGTERM)  # not reaped, so the number is still its own

    def stop(self, grace_seconds: float) -> bool:
        """SIGTERM, then after the grace SIGKILL for its whole group. False if it had to be killed.

        Blocks for the grace at most. May be called again, and after the process ended by itself.
        """
        self.terminate()
        deadline = time.monotonic() + grace_seconds
        while (status := self.exit_status()) is None and time.monotonic() < deadline:
            time.sleep(_STOP_POLL_SECONDS)
        self.kill()
        return status is not None

    def kill(self) -> None:
        """SIGKILL for the whole group, also for what the process itself left behind."""
        if self._is_gone:
            return  # its number may be another group's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._is_gone = True
        self._forget()

    def _with_log(self, message: str) -> str:
        tail = log_tail(self.log)
        return f"{message}; its log is {self.log}" + (f" and ends\n{tail}" if tail else " (empty)")


def log_tail(log: Path, count: int = 15) -> str:
    """The last `count` lines of a file, indented, for an error message. Empty for no file."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 32 * 1024))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-count:])
