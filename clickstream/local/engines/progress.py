"""Say how a download goes: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TransferSpeedColumn,
)

Advance = Callable[[int], None]


class Reporter(Protocol):
    """Who is told. Every method may be called from several threads at once and never blocks."""

    def say(self, line: str) -> None:
        """One finished sentence."""
        ...

    def transfer(self, name: str, total_bytes: int) -> AbstractContextManager[Advance]:
        """Within it, call the given function with the number of bytes that have come since."""
        ...


class Lines:
    """Plain lines on a stream, one at the start of each transfer and one at its end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr

    def say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    @contextmanager
    def transfer(self, name: str, total_bytes: int) -> Iterator[Advance]:
        self.say(f"fetching {name} ({total_bytes / 1e6:.0f} MB)")
        yield lambda _: None
        self.say(f"fetched {name}")


class Bars:
    """A progress bar for each transfer, on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
        )
        self._lock = threading.Lock()
        self._running = 0

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False)

    @contextmanager
    def transfer(self, name: str, total_bytes: int) -> Iterator[Advance]:
        task = self._progress.add_task(name, total=total_bytes or None)
        self._count(+1)
        try:
            yield lambda count: self._progress.advance(task, count)
            self._progress.update(task, total=total_bytes, completed=total_bytes)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        """The display is live while something is on its way, and leaves the terminal as it was."""
        with self._lock:
            self._running += change
            if self._running:
                self._progress.start()
            else:
                self._progress.stop()


class Stoppable:
    """Passes on to another reporter until `stop`; from then on every transfer breaks off."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Each running transfer raises CancelledError at its next sign of progress."""
        self._stopped.set()

    def say(self, line: str) -> None:
        self._reporter.say(line)

    @contextmanager
    def transfer(self, name: str, total_bytes: int) -> Iterator[Advance]:
        with self._reporter.transfer(name, total_bytes) as tell:

            def advance(count: int) -> None:
                if self._stopped.is_set():
                    raise CancelledError
                tell(count)

            yield advance


def reporter() -> Reporter:
    """What suits standard error."""
    console = Console(stderr=True)
    return Bars(console) if console.is_terminal else Lines()
