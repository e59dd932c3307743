"""A `Progress` that keeps what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clickstream.progress import Advance


class Silent:
    """Remembers the lines, shows nothing."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    @contextmanager
    def over(self, what: str, total: int) -> Iterator[Advance]:
        self.lines.append(f"{what}: {total}")
        yield lambda _: None
