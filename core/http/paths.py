"""The paths of the POST endpoints, and the right that each needs.

They stand here, below the write side, because the access check comes before any route.
"""

from __future__ import annotations

from typing import Final

from core.http.keys import Right

PREFIX: Final = "/api/v1/clickstream"
"""Where the routes live a second time, so that embedding_studio clients can be pointed here."""

SESSION_PATH: Final = "/session"
EVENTS_PATH: Final = "/session/events"
MARK_PATH: Final = "/session/irrelevant"
RELEASES_PATH: Final = "/releases"

_RIGHTS: Final = {
    prefix + path: right
    for prefix in ("", PREFIX)
    for path, right in (
        (SESSION_PATH, Right.SESSIONS),
        (EVENTS_PATH, Right.EVENTS),
        (MARK_PATH, Right.MARKS),
        (RELEASES_PATH, Right.ADMIN),
    )
}


def right_to_post(path: str) -> Right:
    """What a POST to this path needs; `write`, which is all three, where nothing is said."""
    return _RIGHTS.get(path, Right.WRITE)
