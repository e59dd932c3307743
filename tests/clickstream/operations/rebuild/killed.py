"""Program: a replay that dies, as by `kill -9`, when it says a certain line.

python -m tests.clickstream.operations.rebuild.killed LINE_BEGINS_WITH
"""

from __future__ import annotations

import os
import signal
import sys

from clickstream.operations.rebuild.run import replay
from clickstream.operations.rebuild.start_point import Earliest
from core.clock import SystemClock
from core.settings import Settings
from tests.clickstream.operations.rebuild.silent import Silent


class Fatal(Silent):
    """A progress report that kills."""

    def say(self, line: str) -> None:
        if line.startswith(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    replay(Settings(), Earliest(), SystemClock(), Fatal())
