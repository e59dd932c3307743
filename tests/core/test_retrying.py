from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

import pytest

from core.errors import SetupError, SinkUnavailable
from core.retrying import retry
from tests.waiting import wait_until


def failing(times: int, error: Exception) -> Callable[[], str]:
    """An action that fails so often, and then says how often it was called."""
    calls = 0

    def action() -> str:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise error
        return f"call {calls}"

    return action


def test_what_works_is_called_once() -> None:
    assert retry(failing(0, SinkUnavailable("away"))) == "call 1"


def test_an_error_that_passes_is_outlasted_and_told_each_time() -> None:
    errors: list[BaseException] = []
    away = SinkUnavailable("away")
    assert retry(failing(3, away), first_pause=0.001, on_error=errors.append) == "call 4"
    assert errors == [away] * 3


def test_other_errors_are_raised_at_once() -> None:
    action = failing(1, SetupError("wrong"))
    with pytest.raises(SetupError, match="wrong"):
        retry(action)
    assert action() == "call 2"


def test_an_error_of_another_kind_after_the_first_is_raised_too() -> None:
    errors = iter([SinkUnavailable("away"), SetupError("wrong")])

    def action() -> None:
        raise next(errors)

    with pytest.raises(SetupError, match="wrong"):
        retry(action, first_pause=0.001)


def test_the_caller_says_which_errors_pass() -> None:
    action = failing(2, KeyError("x"))
    is_key_error = lambda error: isinstance(error, KeyError)  # noqa: E731 - shorter than a function
    assert retry(action, when=is_key_error, first_pause=0.001) == "call 3"


def test_after_the_seconds_the_last_error_is_raised() -> None:
    begun = monotonic()
    with pytest.raises(SinkUnavailable, match="away"):
        retry(failing(10**6, SinkUnavailable("away")), seconds=0.1, first_pause=0.01)
    assert 0.1 <= monotonic() - begun < 5


def test_stopping_ends_a_pause_with_the_last_error() -> None:
    stopping = threading.Event()
    threading.Timer(0.05, stopping.set).start()
    begun = monotonic()
    with pytest.raises(SinkUnavailable, match="away"):
        retry(failing(10**6, SinkUnavailable("away")), stopping=stopping, first_pause=60.0)
    assert monotonic() - begun < 30


def test_pauses_grow_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    stopping = threading.Event()
    monkeypatch.setattr(stopping, "wait", pauses.append)
    retry(
        failing(6, SinkUnavailable("away")), first_pause=1.0, longest_pause=5.0, stopping=stopping
    )
    at_least = [1.0, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert len(pauses) == len(at_least)
    for pause, least in zip(pauses, at_least, strict=True):
        assert least <= pause <= least + 1.0


def test_waiting_ends_when_the_condition_holds() -> None:
    answers = iter([False, False, True])
    wait_until(lambda: next(answers), seconds=30, pause=0.001)


def test_waiting_in_vain_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        wait_until(lambda: False, seconds=0.05, pause=0.01)


def test_what_the_condition_raises_goes_through() -> None:
    def condition() -> bool:
        raise SinkUnavailable("away")

    with pytest.raises(SinkUnavailable, match="away"):
        wait_until(condition, seconds=30)
