"""What a misspelt name was meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_MOST_LISTED = 40
_LONGEST_NAME = 64


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like it, if one is."""
    names, shown = list(known), name[:_LONGEST_NAME]
    found = get_close_matches(shown.lower(), names, 1) or get_close_matches(shown, names, 1)
    return found[0] if found else None


def hint(name: str, known: Iterable[str]) -> str:
    """Behind "… is not known: " - which name was meant, or which there are."""
    names = list(known)
    nearest = nearest_name(name, names)
    if nearest is not None:
        return f"did you mean {nearest}?"
    return f"there are {', '.join(names[:_MOST_LISTED])}" if names else "there are none here"
