"""Servers go away and come back: a flush waits for them, and loses or skips nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_when_event_set,
    wait_random_exponential,
)

from clickstream.errors import Unavailable
from clickstream.telemetry import WORKER_RETRIES

T = TypeVar("T")

log = logging.getLogger(__name__)

# First and longest pause. Longer would make the catch-up after an outage start late; shorter would
# hammer a server that is starting.
_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 5.0


class UntilItWorks:
    """Calls again, for ever, while the error is `Unavailable`; other errors pass through.

    Blocks the calling thread. `stop()` from any thread ends the waiting with the last error.
    """

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._waiting = threading.Event()

    @property
    def is_waiting(self) -> bool:
        """Whether a server is down right now: no progress is then no sign of a dead consumer."""
        return self._waiting.is_set()

    def stop(self) -> None:
        self._stopping.set()

    def __call__(self, action: Callable[[], T]) -> T:
        # A Retrying is a cycle that keeps the action and its result until the garbage collector
        # comes by, which is seldom: none is made unless it is needed.
        try:
            return action()
        except Unavailable as error:
            _note(1, error)
        self._pause(_FIRST_SECONDS)
        retrying = Retrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_random_exponential(multiplier=_FIRST_SECONDS, max=_LONGEST_SECONDS),
            stop=stop_when_event_set(self._stopping),
            sleep=self._pause,
            before_sleep=_report,
            reraise=True,
        )
        try:
            return retrying(action)
        finally:
            self._waiting.clear()

    def _pause(self, seconds: float) -> None:
        self._waiting.set()
        self._stopping.wait(seconds)


def _report(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _note(state.attempt_number + 1, error)


def _note(attempt: int, error: BaseException | None) -> None:
    WORKER_RETRIES.labels(server=type(error).__name__).inc()
    log.warning("attempt %d failed, trying again: %s", attempt, error)
