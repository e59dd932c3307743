"""The one way to call again what failed, and to wait until something is so. Blocks the thread."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    stop_any,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)

from core.errors import Unavailable

T = TypeVar("T")


class Retry(Protocol):
    """Calls an action until it works, or gives up and raises its error. Blocks."""

    def __call__(self, action: Callable[[], T]) -> T: ...


def is_unavailable(error: BaseException) -> bool:
    """Whether it is one of our errors that pass by themselves."""
    return isinstance(error, Unavailable)


def retry(
    action: Callable[[], T],
    *,
    seconds: float = math.inf,
    when: Callable[[BaseException], bool] = is_unavailable,
    first_pause: float = 0.1,
    longest_pause: float = 2.0,
    stopping: threading.Event | None = None,
    on_error: Callable[[BaseException], None] | None = None,
) -> T:
    """The result of `action`, called again while it raises an error that `when` accepts.

    Raises the last error when the next attempt would begin later than `seconds` after the first
    failure, or once `stopping` is set; that ends a pause too. Errors that `when` does not accept
    are raised at once. Pauses double from `first_pause` to `longest_pause`, seconds; from the
    second on, up to `first_pause` is added at random. `on_error` is called with each error before
    its pause.
    """
    # A Retrying is a cycle that keeps the action and its result until the garbage collector comes
    # by: a worker's flush holds megabytes, so none is made unless the first call fails.
    try:
        return action()
    except Exception as error:
        if not when(error) or seconds <= 0:
            raise
        if on_error is not None:
            on_error(error)
    stopping = stopping or threading.Event()

    def pause(seconds: float) -> None:
        stopping.wait(seconds)

    def before_sleep(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if on_error is not None and error is not None:
            on_error(error)

    pause(first_pause)
    retrying = Retrying(
        retry=retry_if_exception(when),
        wait=wait_exponential(first_pause, longest_pause) + wait_random(0, first_pause),
        stop=stop_any(stop_after_delay(seconds), stop_when_event_set(stopping)),
        sleep=pause,
        before_sleep=before_sleep,
        reraise=True,
    )
    return retrying(action)
