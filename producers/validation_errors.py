"""`Findings`: the checks that types cannot express, and the list of all places that fail them."""

from __future__ import annotations

from typing import Final

from core.errors import FieldError, InvalidRequest
from core.ids import why_no_id
from core.settings import Limits

# Milliseconds for dates from 1973-03-03 to 2286-11-20. No date between the two, written in seconds,
# microseconds or nanoseconds, is a number in this range, so a wrong unit is always noticed.
EARLIEST_MS: Final = 100_000_000_000
LATEST_MS: Final = 10_000_000_000_000

# More would make an answer longer than the request that it is about.
_MOST_LISTED: Final = 100


class Findings:
    """What is wrong with one request.

    `path` is a template; `{}` is filled with `index` only when an error is recorded.
    """

    __slots__ = ("_errors", "_limits")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._errors: list[FieldError] = []

    @property
    def is_full(self) -> bool:
        """Nothing more will be listed."""
        return len(self._errors) > _MOST_LISTED

    def add(self, path: str, message: str, index: int | None = None) -> None:
        if len(self._errors) < _MOST_LISTED:
            self._errors.append(FieldError(path.format(index), message))
        elif len(self._errors) == _MOST_LISTED:
            self._errors.append(FieldError("$", f"more than these {_MOST_LISTED} places are wrong"))

    def raise_if_any(self) -> None:
        """Raise InvalidRequest with all that was found."""
        if self._errors:
            raise InvalidRequest(self._errors)

    def check_id(self, path: str, value: str, index: int | None = None) -> None:
        if (why := why_no_id(value, self._limits.id_bytes)) is not None:
            self.add(path, why, index)

    def check_text(self, path: str, value: str) -> None:
        if len(value) > self._limits.text_chars:
            self.add(path, f"has {len(value)} characters, at most {self._limits.text_chars}")

    def too_many(self, path: str, count: int) -> bool:
        if count <= self._limits.items:
            return False
        self.add(path, f"has {count} items, at most {self._limits.items} fit in a request")
        return True

    def check_millis(self, path: str, value: int | None, index: int | None = None) -> None:
        if value is not None and not EARLIEST_MS <= value < LATEST_MS:
            self.add(path, why_not_millis(value), index)


def why_not_millis(value: int) -> str:
    """Why this is no time, and what to send."""
    advice = "send milliseconds since the epoch, such as 1701012345678"
    for unit, per_second in (("seconds", 1), ("microseconds", 10**6), ("nanoseconds", 10**9)):
        if EARLIEST_MS <= value * 1000 // per_second < LATEST_MS:
            return f"{value} looks like {unit}: {advice}"
    shown = value if abs(value) < 10**20 else "a number this large"
    return f"{shown} is no time between 1973 and 2286: {advice}"
