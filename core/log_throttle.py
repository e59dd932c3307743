"""Holds back repeated warnings of client libraries: each is logged once a minute.

While a broker is down, aiokafka logs some forty lines a second and librdkafka three: an outage of
an hour would fill disks, and bury what else went wrong.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Final

# Loggers whose lines, and those of their children, are held back. Ours never are.
_LIBRARIES: Final = ("aiokafka", "faust", "clickhouse_connect", "urllib3", "clickstream.kafka")
_PAUSE_SECONDS: Final = 60.0
# Distinct lines that are remembered; beyond it all are forgotten, and logged again.
_MOST_LINES: Final = 1_000

# Ids of queries, ports and milliseconds differ from attempt to attempt.
_CHANGING: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+")

_Key = tuple[str, str]


class Throttle:
    """Says whether something may be logged again: once per key and interval."""

    def __init__(
        self, seconds: float = _PAUSE_SECONDS, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`now` is a monotonic clock, seconds."""
        self._seconds = seconds
        self._now = now
        self._logged_at: dict[str, float] = {}

    def allows(self, key: str) -> bool:
        """True for the first call with a key, and again when the interval is over. Keys must come
        from a small set."""
        now = self._now()
        at = self._logged_at.get(key)
        if at is not None and now - at < self._seconds:
            return False
        self._logged_at[key] = now
        return True


class ThrottleFilter(logging.Filter):
    """Filter of a handler. How many repeats were held back is logged with the next one, or, when
    none follows, before the first record of any logger after the minute."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` is a monotonic clock, seconds."""
        super().__init__()
        self._now = now
        self._logged: dict[_Key, _Logged] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = self._now()
        key = _key(record)
        self._report_ended(now, key)
        if key is None:
            return True
        logged = self._logged.get(key)
        if logged is not None and now - logged.at < _PAUSE_SECONDS:
            logged.held_back += 1
            return False
        if len(self._logged) >= _MOST_LINES:
            self._logged.clear()
        self._logged[key] = _Logged(now, record.levelno, record.getMessage())
        if logged is not None and logged.held_back:
            record.msg, record.args = logged.with_count(record.getMessage()), ()
        return True

    def _report_ended(self, now: float, current: _Key | None) -> None:
        """Log the counts of lines that have not come again, and forget these lines."""
        ended = [
            key
            for key, logged in list(self._logged.items())  # other threads log meanwhile
            if now - logged.at >= _PAUSE_SECONDS and key != current
        ]
        # Forgotten first: what is logged here passes through this filter too.
        for key, logged in [(key, self._logged.pop(key, None)) for key in ended]:
            if logged is not None and logged.held_back:
                logging.getLogger(key[0]).log(logged.level, "%s", logged.with_count(logged.line))


class _Logged:
    """A line that was logged: when, and how many repeats were held back since."""

    __slots__ = ("at", "held_back", "level", "line")

    def __init__(self, at: float, level: int, line: str) -> None:
        self.at = at
        self.level = level
        self.line = line
        self.held_back = 0

    def with_count(self, line: str) -> str:
        return f"{line} ({self.held_back} more since)"


def _key(record: logging.LogRecord) -> _Key | None:
    """Equal for repeats of a line; None for a record that is never held back."""
    if record.levelno < logging.WARNING or not record.name.startswith(_LIBRARIES):
        return None
    return record.name, _CHANGING.sub("", record.getMessage())
