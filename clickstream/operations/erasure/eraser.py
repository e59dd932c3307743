"""The erasure behind `DELETE /users/{id}`. The read API gets it as an argument."""

from __future__ import annotations

import logging

from api.erase import Erased, Eraser
from clickstream.operations.erasure.erase import erase
from clickstream.operations.erasure.report import erasure_as_dict
from core.clock import SystemClock
from core.settings import Settings

# Load balancers commonly give up after 60 s. A second request resumes a longer erasure.
_SECONDS = 30.0

_AUDIT = logging.getLogger("clickstream.audit")


def eraser_of(settings: Settings) -> Eraser:
    """The function that erases a user on the servers of the settings."""

    def run(user_id: str, caller: str | None) -> Erased:
        result = erase(
            settings,
            user_id,
            requested_by=caller,
            clock=SystemClock(),
            seconds=_SECONDS,
            log=lambda _: None,
        )
        _AUDIT.info(
            "user %s erased by=%s sessions=%d",
            *(result.user_hash, caller or "anonymous", result.sessions),
        )
        return Erased(**erasure_as_dict(result))

    return run
