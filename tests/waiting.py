"""Waiting for a condition in place of a fixed time."""

from __future__ import annotations

from collections.abc import Callable

from core.retrying import retry


class _NotYet(Exception):
    """The condition does not hold."""


def wait_until(condition: Callable[[], bool], *, seconds: float, pause: float = 0.1) -> None:
    """Return once `condition` holds; it is asked at least once, then every `pause` seconds.

    Raises TimeoutError when it does not hold after `seconds`, and whatever `condition` raises.
    """

    def ask() -> None:
        if not condition():
            raise _NotYet

    def is_not_yet(error: BaseException) -> bool:
        return isinstance(error, _NotYet)

    try:
        retry(ask, seconds=seconds, when=is_not_yet, first_pause=pause, longest_pause=pause)
    except _NotYet:
        raise TimeoutError(f"not so within {seconds:g} s") from None
