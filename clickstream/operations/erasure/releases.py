"""Delete the files of releases that hold what was erased."""

from __future__ import annotations

from typing import Final

from api.releases.service import ReleaseService
from clickstream import __version__
from clickstream.operations.erasure.deadline import Deadline
from core.clock import Clock
from core.errors import LeaseHeld
from core.settings import Settings

_MAKING: Final = "waiting for a release that is being made"


def delete_from_releases(settings: Settings, clock: Clock, deadline: Deadline) -> int:
    """How many files this call has deleted. When it returns, no file of a release holds a session
    whose erasure is published, neither in a release nor in what is left of one that was not
    finished. Waits for a release that is being made: it may hold such a session, and looks for it
    only when it is whole.

    Raises SinkBehind after the deadline, StorageUnavailable, SinkUnavailable.
    """
    if not settings.releases.uri:
        return 0
    service = ReleaseService(settings, clock, __version__)
    try:
        while True:
            try:
                return service.delete_touched()
            except LeaseHeld:  # after some seconds
                deadline.remaining(_MAKING)
    finally:
        service.close()
