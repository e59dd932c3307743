"""What an id is: of a session, an event, an object, a user, and a type of event.

One rule for requests, Kafka records, reads and erasures: 1 to 512 bytes of UTF-8, not blank, kept
exactly as sent. An id that one of them took and another refused could be stored and never read, or
never erased.
"""

from __future__ import annotations

from typing import Final

from core.errors import FieldError, InvalidRequest

ID_BYTES: Final = 512
"""The longest id, bytes. Part of the contract: stored ids are found by it, so it is no setting."""


def why_no_id(value: str, most_bytes: int = ID_BYTES) -> str | None:
    """Why this is no id, as the end of a sentence; None when it is one."""
    if not value:
        return "is empty"
    if value.isspace():
        return "must not be blank"
    # A character has at most four bytes; half a surrogate pair, which no UTF-8 has, counts as one.
    if len(value) * 4 <= most_bytes:
        return None
    size = len(value.encode("utf-8", "replace"))
    return f"has {size} bytes, at most {most_bytes}" if size > most_bytes else None


def check_id(place: str, value: str) -> None:
    """Raise InvalidRequest, naming the place, for what is no id."""
    if (why := why_no_id(value)) is not None:
        raise InvalidRequest([FieldError(place, why)])
