"""Servers go away and come back: a flush waits for them, and loses or skips nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from core.retrying import retry
from core.telemetry import WORKER_PAUSED, WORKER_RETRIES

T = TypeVar("T")

log = logging.getLogger(__name__)

# Longest pause, seconds. Longer would make the catch-up after an outage start late; shorter would
# hammer a server that is starting.
_LONGEST_SECONDS = 5.0

# An outage of an hour is worth a line a minute, not one for each attempt.
_REMIND_SECONDS = 60.0


class UntilItWorks:
    """Calls an action again, for ever, while its error is `Unavailable`; other errors pass through.

    Blocks the calling thread; several threads may wait at once. `stop()` from any thread ends the
    waiting with the last error.
    """

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._outages: dict[int, _Outage] = {}  # by thread

    @property
    def outage(self) -> str | None:
        """Why a thread waits right now, as a sentence; None when none does. From any thread.

        While a server is away, no progress is no sign of a dead consumer.
        """
        return next((outage.why for outage in list(self._outages.values())), None)

    def stop(self) -> None:
        self._stopping.set()

    def __call__(self, action: Callable[[], T]) -> T:
        thread = threading.get_ident()

        def failed(error: BaseException) -> None:
            if thread not in self._outages:
                self._outages[thread] = _Outage()
                WORKER_PAUSED.inc()
            self._outages[thread].note(error)

        try:
            result = retry(
                action,
                longest_pause=_LONGEST_SECONDS,
                stopping=self._stopping,
                on_error=failed,
            )
        finally:
            outage = self._outages.pop(thread, None)
            if outage is not None:
                WORKER_PAUSED.dec()
        if outage is not None:
            log.info("going on after %.1f s", monotonic() - outage.begun)
        return result


class _Outage:
    """One wait for a server: since when, why, and when that was logged."""

    def __init__(self) -> None:
        self.why = "a server does not answer"
        self.begun = self._logged_at = monotonic()

    def note(self, error: BaseException) -> None:
        """One more attempt has failed. Logged when the reason is new, and once a minute."""
        WORKER_RETRIES.labels(server=type(error).__name__).inc()
        now = monotonic()
        if str(error) != self.why or now - self._logged_at >= _REMIND_SECONDS:
            log.warning("paused, trying again every few seconds: %s", error)
            self._logged_at = now
        self.why = str(error)
