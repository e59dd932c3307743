"""Look, again and again, for files of releases that an erasure or a mark has touched.

No file with such a session is given out in any case: this deletes those that nobody asks for.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from api.releases.service import ReleaseService
from core.errors import ClickstreamError
from core.log_throttle import Throttle

SECONDS: Final = 60.0
"""Between two looks."""

_log = logging.getLogger(__name__)


async def sweep_for_ever(service: ReleaseService, seconds: float = SECONDS) -> None:
    """Ends when it is cancelled, not when a look fails."""
    throttle = Throttle(seconds=3600.0)
    while True:
        await asyncio.sleep(seconds)
        try:
            gone = await asyncio.to_thread(service.supersede_all)
        except ClickstreamError as error:
            if throttle.allows("sweep"):
                _log.warning("releases could not be looked through: %s", error)
        else:
            if gone:
                _log.info("%d files of releases are superseded, and deleted", gone)
