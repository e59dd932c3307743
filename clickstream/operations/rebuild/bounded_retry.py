"""A server that goes away is waited for, but not for ever: a replay can be started again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from core.errors import Unavailable

T = TypeVar("T")


class Patience:
    """Calls again while the error is `Unavailable`, for some seconds; then raises it. Blocks."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, action: Callable[[], T]) -> T:
        retrying = Retrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_exponential(multiplier=0.1, max=2.0),
            stop=stop_after_delay(self._seconds),
            reraise=True,
        )
        return retrying(action)
