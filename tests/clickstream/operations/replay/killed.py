"""Program: a replay that dies, as by `kill -9`, when it has written so many records.

python -m tests.clickstream.operations.replay.killed RECORDS
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from clickstream.operations.replay.run import replay
from clickstream.operations.replay.start_point import Earliest
from clickstream.progress import Advance
from core.clock import SystemClock
from core.settings import Settings
from tests.clickstream.operations.replay.silent import Silent


class Fatal(Silent):
    """A progress report that kills."""

    def __init__(self, records: int) -> None:
        super().__init__()
        self._left = records

    @contextmanager
    def over(self, what: str, total: int) -> Iterator[Advance]:  # noqa: ARG002 - the protocol's
        yield self._count

    def _count(self, written: int) -> None:
        self._left -= written
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    replay(Settings(), Earliest(), SystemClock(), Fatal(int(sys.argv[1])))
