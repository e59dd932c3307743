"""Program: a replay that dies, as by `kill -9`, when it says a certain line.

python -m tests.stream_processors.replay.killed LINE_BEGINS_WITH
"""

from __future__ import annotations

import os
import signal
import sys

from clickstream.clock import SystemClock
from clickstream.settings import Settings
from stream_processors.replay.origin import Earliest
from stream_processors.replay.run import replay
from tests.stream_processors.replay.silent import Silent


class Fatal(Silent):
    """A progress report that kills."""

    def say(self, line: str) -> None:
        if line.startswith(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    replay(Settings(), Earliest(), SystemClock(), Fatal())
