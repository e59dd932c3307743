"""Which paths of what was sent an operator may declare: the rules of `dimensions` and
`event_value`.

A path is the name of a field and 1 to 4 keys below it, such as `search_meta.device.kind`.
"""

from __future__ import annotations

import re
from typing import Final

RESULT_META: Final = "search_results.meta"
"""The field of paths of which each result of a list has a value of its own."""

_KEYS: Final = r"(?:\.[^.,\s]{1,64}){1,4}"
_FIELDS: Final = ("search_meta", "payload_filter", RESULT_META)
_DIMENSION: Final = re.compile(rf"(?:{'|'.join(map(re.escape, _FIELDS))}){_KEYS}")
_EVENT_VALUE: Final = re.compile(rf"meta{_KEYS}")
# What the meta of a result is likely to be called.
_OF_RESULT: Final = re.compile(rf"(?:search_)?(?:results?|items?|hits?)?\.?meta({_KEYS})")


def is_of_results(path: str) -> bool:
    """Whether each result has a value of its own, and not the search."""
    return path.startswith(f"{RESULT_META}.")


def check_dimensions(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Raises ValueError, which says what a path must be."""
    for path in paths:
        if not _DIMENSION.fullmatch(path):
            meant = _OF_RESULT.fullmatch(path)
            hint = f"; did you mean {RESULT_META}{meant[1]}?" if meant else ""
            raise ValueError(
                f"{path[:64]} is not search_meta, payload_filter or {RESULT_META} and 1 to 4 keys "
                f"of at most 64 characters, such as search_meta.device{hint}"
            )
    if len(set(paths)) < len(paths):
        raise ValueError("names a path twice")
    return paths


def check_event_value(path: str) -> str:
    """Raises ValueError."""
    if path and not _EVENT_VALUE.fullmatch(path):
        raise ValueError("is not meta and 1 to 4 keys, such as meta.amount")
    return path
