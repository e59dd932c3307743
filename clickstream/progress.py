"""How long work goes, on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

# Plain lines for each piece of work.
_LINES = 10

Advance = Callable[[int], None]


class ProgressReporter(Protocol):
    """Who is told. Every method may be called from several threads at once, and never blocks."""

    def say(self, line: str) -> None:
        """One finished sentence."""
        ...

    def over(self, what: str, total: int) -> AbstractContextManager[Advance]:
        """Within it, call the given function with the number of things done since; 0 is allowed.

        `total` is 0 where it is unknown.
        """
        ...


class ConsoleProgress:
    """Writes to standard error by default, so that standard output is the result alone."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"))
        self._bars = Progress(*columns, TimeRemainingColumn(), console=self._console)
        self._lock = threading.Lock()
        self._running = 0

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def over(self, what: str, total: int) -> Iterator[Advance]:
        if not self._console.is_terminal:
            yield self._plain(what, total)
            return
        task, done = self._bars.add_task(what, total=total or None, done=""), 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            self._bars.update(task, completed=done, done=_amount(done, total))

        self._count(+1)
        try:
            yield advance
        finally:
            self._bars.remove_task(task)
            self._count(-1)

    def _plain(self, what: str, total: int) -> Advance:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            before, done = done, done + count
            if total and done * _LINES // total > before * _LINES // total:
                self.say(f"{what}: {_amount(done, total)}")

        return advance

    def _count(self, change: int) -> None:
        """The display is live while something runs, and leaves the terminal as it was."""
        with self._lock:
            self._running += change
            if self._running:
                self._bars.start()
            else:
                self._bars.stop()


def _amount(done: int, total: int) -> str:
    return f"{done:,} of {total:,}" if total else f"{done:,}"
