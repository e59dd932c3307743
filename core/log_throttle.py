"""Says a warning of a client library once a minute, not for every attempt.

While a broker is down, aiokafka logs some forty lines a second and librdkafka three: an outage of
an hour would fill disks, and bury what else went wrong.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Final

# Lines of these loggers, and of those below them. Ours are never held back.
_LIBRARIES: Final = ("aiokafka", "faust", "clickhouse_connect", "urllib3", "clickstream.kafka")
_PAUSE_SECONDS: Final = 60.0
# Distinct lines that are remembered; beyond it all are forgotten, and said again.
_MOST_LINES: Final = 1_000

# Ids of queries, ports and milliseconds differ from attempt to attempt.
_CHANGING: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+")


class ThrottleFilter(logging.Filter):
    """A handler's filter. What was held back is counted in the line that comes after it."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` is a monotonic clock, seconds."""
        super().__init__()
        self._now = now
        self._said: dict[tuple[str, str], _Said] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or not record.name.startswith(_LIBRARIES):
            return True
        line, now = record.getMessage(), self._now()
        key = record.name, _CHANGING.sub("", line)
        said = self._said.get(key)
        if said is not None and now - said.at < _PAUSE_SECONDS:
            said.held_back += 1
            return False
        if said is not None and said.held_back:
            record.msg, record.args = f"{line} ({said.held_back} more since)", ()
        if len(self._said) >= _MOST_LINES:
            self._said.clear()
        self._said[key] = _Said(now)
        return True


class _Said:
    """When a line was said, and how often it was not since."""

    __slots__ = ("at", "held_back")

    def __init__(self, at: float) -> None:
        self.at = at
        self.held_back = 0
