"""Servers go away and come back: a flush waits for them, and loses or skips nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_when_event_set,
    wait_random_exponential,
)

from core.errors import Unavailable
from core.telemetry import WORKER_PAUSED, WORKER_RETRIES

T = TypeVar("T")

log = logging.getLogger(__name__)

# First and longest pause. Longer would make the catch-up after an outage start late; shorter would
# hammer a server that is starting.
_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 5.0

# An outage of an hour is worth a line a minute, not one for each attempt.
_REMIND_SECONDS = 60.0


class UntilItWorks:
    """Calls again, for ever, while the error is `Unavailable`; other errors pass through.

    Blocks the calling thread; several threads may wait at once. `stop()` from any thread ends the
    waiting with the last error.
    """

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._outages: dict[int, _Outage] = {}  # by thread

    @property
    def trouble(self) -> str | None:
        """Why somebody waits right now, as a sentence: no progress is then no sign of a dead
        consumer. None when nobody does. From any thread."""
        return next((outage.why for outage in list(self._outages.values())), None)

    def stop(self) -> None:
        self._stopping.set()

    def __call__(self, action: Callable[[], T]) -> T:
        # A Retrying is a cycle that keeps the action and its result until the garbage collector
        # comes by, which is seldom: none is made unless it is needed.
        try:
            return action()
        except Unavailable as error:
            outage = _Outage(error)
        thread = threading.get_ident()
        self._outages[thread] = outage
        WORKER_PAUSED.inc()
        try:
            self._pause(_FIRST_SECONDS)
            result = self._retrying(outage)(action)
        finally:
            del self._outages[thread]
            WORKER_PAUSED.dec()
        outage.end()
        return result

    def _retrying(self, outage: _Outage) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_random_exponential(multiplier=_FIRST_SECONDS, max=_LONGEST_SECONDS),
            stop=stop_when_event_set(self._stopping),
            sleep=self._pause,
            before_sleep=outage.goes_on,
            reraise=True,
        )

    def _pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)


class _Outage:
    """One wait for a server: what it says of itself, and when it is said again."""

    def __init__(self, error: Unavailable) -> None:
        self.why = ""
        self._begun = monotonic()
        self._said_at = self._begun
        self._note(error)

    def goes_on(self, state: RetryCallState) -> None:
        """One more attempt has failed."""
        error = state.outcome.exception() if state.outcome else None
        if error is not None:
            self._note(error)

    def end(self) -> None:
        log.info("going on after %.1f s", monotonic() - self._begun)

    def _note(self, error: BaseException) -> None:
        WORKER_RETRIES.labels(server=type(error).__name__).inc()
        now = monotonic()
        if str(error) != self.why or now - self._said_at >= _REMIND_SECONDS:
            log.warning("paused, trying again every few seconds: %s", error)
            self._said_at = now
        self.why = str(error)
