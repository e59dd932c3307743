"""From where a replay begins, as the command line says it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from core.errors import SetupError

# Below this a number of milliseconds lies before 1973: it is seconds. Above, after 2286.
_EARLIEST_MS = 10**11
_LATEST_MS = 10**13

_DIGITS = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Earliest:
    """The whole history, which the log must hold from offset 0."""

    def __str__(self) -> str:
        return "earliest"


@dataclass(frozen=True, slots=True)
class FromTime:
    """What Kafka took at this moment (its own clock, milliseconds since the epoch) or later."""

    ms: int

    def __str__(self) -> str:
        return f"timestamp:{rfc3339(self.ms)}"


@dataclass(frozen=True, slots=True)
class FromOffset:
    """This offset and everything behind it, in every partition."""

    offset: int

    def __str__(self) -> str:
        return f"offset:{self.offset}"


Origin = Earliest | FromTime | FromOffset


def parse_origin(text: str) -> Origin:
    """`earliest`, `timestamp:<RFC 3339 or epoch ms>` or `offset:<n>`. Raises SetupError."""
    kind, _, value = text.partition(":")
    if text == "earliest":
        return Earliest()
    if kind == "timestamp":
        return FromTime(_milliseconds(value))
    if kind == "offset" and _DIGITS.fullmatch(value):
        return FromOffset(int(value))
    raise SetupError(
        f"--from {text!r}: say earliest, offset:1234, timestamp:2026-07-01T00:00:00Z or"
        " timestamp:1782864000000"
    )


def rfc3339(ms: int) -> str:
    """A moment as people read it, in UTC."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(value: str) -> int:
    if _DIGITS.fullmatch(value):
        ms = int(value)
        if not _EARLIEST_MS <= ms < _LATEST_MS:
            raise SetupError(f"--from timestamp:{value} is not in milliseconds since 1970")
        return ms
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise SetupError(
            f"--from timestamp:{value} is no RFC 3339 time with a zone, such as"
            " 2026-07-01T00:00:00Z"
        )
    return round(moment.timestamp() * 1000)
