"""What happens now: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

_PLAIN_LINES = 10


class Progress:
    """Speaks to standard error, so that standard output is the result alone."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, what: str) -> None:
        self._console.print(what, highlight=False)

    @contextmanager
    def over(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """Gives the function that counts one more of `total`."""
        if not self._console.is_terminal:
            yield self._plain(what, total)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Bar(*columns, TimeRemainingColumn(), console=self._console) as bar:
            task = bar.add_task(what, total=total)
            yield lambda: bar.advance(task)

    def _plain(self, what: str, total: int) -> Callable[[], None]:
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            if done * _PLAIN_LINES // total > (done - 1) * _PLAIN_LINES // total:
                self.say(f"{what}: {done} of {total}")

        return advance
