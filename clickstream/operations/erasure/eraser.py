"""The erasure behind `DELETE /users/{id}`: what the read side is given, and does not import."""

from __future__ import annotations

import logging

from api.erase import Erased, Eraser
from clickstream.operations.erasure.erase import erase
from clickstream.operations.erasure.report import as_dict
from core.clock import SystemClock
from core.settings import Settings

# Load balancers commonly give up after 60 s. What takes longer is continued by asking again.
_SECONDS = 30.0

_AUDIT = logging.getLogger("clickstream.audit")


def eraser_of(settings: Settings) -> Eraser:
    """An eraser on the servers that the settings name."""

    def run(user_id: str, caller: str | None) -> Erased:
        outcome = erase(
            settings,
            user_id,
            requested_by=caller,
            clock=SystemClock(),
            seconds=_SECONDS,
            say=lambda _: None,
        )
        _AUDIT.info(
            "user %s erased by=%s sessions=%d",
            *(outcome.user_hash, caller or "anonymous", outcome.sessions),
        )
        return Erased(**as_dict(outcome))

    return run
