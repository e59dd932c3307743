"""Start child processes that cannot outlive us, whatever ends us.

Two mechanisms. On Linux the kernel kills a child when its parent dies, at once and even if the
reaper is gone (`exec_with_parent_death_signal.py`). Everywhere, `orphan_reaper.py` notices the end
of a pipe and kills whole process groups, so grandchildren are killed too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clickstream.local.processes.child_process import Child
from clickstream.local.processes.environment import child_environment

# A log that has grown past this is rotated: with its predecessor it takes twice as much disk.
_LOG_BYTES = 16 * 1024 * 1024

# Isolated and without site-packages: 10 ms and 8 MB instead of 60 ms and 20 MB.
_BARE_PYTHON = (sys.executable, "-I", "-S")
_EXEC = str(Path(__file__).with_name("exec_with_parent_death_signal.py"))
_REAPER = str(Path(__file__).with_name("orphan_reaper.py"))


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. Standard output and error go to `log`.

    Its environment is what `child_environment` lets through, with names of the prefixes `inherits`
    and with `env`.
    """

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    inherits: Sequence[str] = ()


class ProcessManager:
    """Owns a reaper; every child spawned through it dies with this process.

    Call from any thread: the kernel's death signal follows the *thread* that forked, so it is asked
    for in the main thread only, and other threads rely on the reaper alone.
    """

    def __init__(self, *, kernel: bool = sys.platform == "linux") -> None:
        """`kernel=False` leaves it all to the reaper."""
        self._kernel = kernel
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._logs: set[Path] = set()
        self._reaper: subprocess.Popen[bytes] | None = None

    def spawn(self, command: Command) -> Child:
        """Start it in a process group of its own. Raises OSError when it cannot be executed."""
        bound = self._kernel and threading.current_thread() is threading.main_thread()
        prefix = (*_BARE_PYTHON, _EXEC, str(os.getpid())) if bound else ()
        command.log.parent.mkdir(parents=True, exist_ok=True)
        _rotate_log(command.log)
        self._logs.add(command.log)
        with command.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  (our own commands; no shell)
                [*prefix, *command.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**child_environment(command.inherits), **command.env},
                cwd=command.cwd,
                start_new_session=True,  # Ctrl-C reaches us alone; we stop the others in order
            )
        self._register(process.pid)
        return Child(command.name, process, command.log, lambda: self._unregister(process.pid))

    def rotate_logs(self) -> None:
        """Keep the log of every child within its bound, also while the child writes it."""
        for log in tuple(self._logs):
            _rotate_log(log)

    def close(self) -> None:
        """Let the reaper go: it kills what is still listed, then ends. May be called again."""
        with self._lock:
            gone, self._reaper = self._reaper, None
            self._groups.clear()
        if gone is not None:
            _close_pipe(gone)

    def _register(self, group: int) -> None:
        with self._lock:
            self._groups.add(group)
            if self._reaper is None or self._reaper.poll() is not None:
                if self._reaper is not None:
                    _close_pipe(self._reaper)  # somebody killed it; a new one takes over the list
                self._reaper = _start_reaper()
                _send(self._reaper, "".join(f"+{each}\n" for each in self._groups))
            else:
                _send(self._reaper, f"+{group}\n")

    def _unregister(self, group: int) -> None:
        with self._lock:
            self._groups.discard(group)
            if self._reaper is not None and self._reaper.poll() is None:
                _send(self._reaper, f"-{group}\n")


def _send(reaper: subprocess.Popen[bytes], lines: str) -> None:
    if reaper.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # killed just now: the next `_register` notices
            reaper.stdin.write(lines.encode())


def _close_pipe(reaper: subprocess.Popen[bytes]) -> None:
    if reaper.stdin is not None:
        reaper.stdin.close()
    reaper.wait()


def _start_reaper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  (our own program)
        [*_BARE_PYTHON, _REAPER],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        start_new_session=True,
    )


def _rotate_log(log: Path) -> None:
    """Move the newest part aside, and begin anew in the same file: its writer has it open for
    appending. A line that is written just then may be lost."""
    if not log.exists() or (size := log.stat().st_size) <= _LOG_BYTES:
        return
    with log.open("r+b") as file, log.with_suffix(".log.1").open("wb") as aside:
        file.seek(size - _LOG_BYTES)
        shutil.copyfileobj(file, aside)
        file.truncate(0)
