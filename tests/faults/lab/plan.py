"""How often and how long: short for CI, long for `make faults`."""

from __future__ import annotations

import os

LONG = os.environ.get("CLICKSTREAM_TEST_LONG") == "1"

# Length of the longest outage in the long form, minutes. 10 is what the promise says; all other
# outages keep their proportion to it.
_FULL_MINUTES = 10.0
_MINUTES = float(os.environ.get("CLICKSTREAM_TEST_MINUTES", str(_FULL_MINUTES)))


def times(long: int, short: int) -> int:
    """How often a fault strikes."""
    return long if LONG else short


def seconds(long_minutes: float, short_seconds: float) -> float:
    """How long an outage lasts."""
    return long_minutes * 60 * _MINUTES / _FULL_MINUTES if LONG else short_seconds
