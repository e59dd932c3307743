"""`Findings`: the checks that types cannot express, and the list of all places that fail them."""

from __future__ import annotations

from typing import Final

from core.errors import FieldError, InvalidRequest
from core.ids import why_no_id
from core.settings import Limits
from core.times import why_not_millis

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
        if value is not None and (why := why_not_millis(value)) is not None:
            self.add(path, why, index)
