"""How a replay goes: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

# Plain lines per stretch of work.
_LINES = 10

Advance = Callable[[int], None]


class Progress(Protocol):
    """Who is told. Never blocks, never raises."""

    def say(self, line: str) -> None:
        """One finished sentence."""
        ...

    def over(self, what: str, total: int) -> AbstractContextManager[Advance]:
        """Within it, call the given function with the number of things done since."""
        ...


class ConsoleProgress:
    """Speaks to standard error, so that standard output is the result alone."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)

    @contextmanager
    def over(self, what: str, total: int) -> Iterator[Advance]:
        if not self._console.is_terminal:
            yield self._plain(what, total)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Bar(*columns, TimeRemainingColumn(), console=self._console, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda count: bar.advance(task, count)

    def _plain(self, what: str, total: int) -> Advance:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            before, done = done, done + count
            if done * _LINES // total > before * _LINES // total:
                self.say(f"{what}: {done:,} of {total:,}")

        return advance
