"""Downloads are reported as bars or lines, and can be broken off."""

from __future__ import annotations

import io
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager

import pytest
from rich.console import Console

from clickstream.local.engines.progress import Bars, Lines, Stoppable

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def test_lines_say_what_comes_and_that_it_came() -> None:
    stream = io.StringIO()
    with Lines(stream).transfer("Kafka", 45_000_000) as advance:
        advance(45_000_000)
    assert stream.getvalue() == "fetching Kafka (45 MB)\nfetched Kafka\n"


def test_bars_leave_the_terminal_as_it_was_after_a_failure() -> None:
    screen = io.StringIO()
    transfer = Bars(Console(file=screen, force_terminal=True)).transfer("Kafka", 10)
    transfer.__enter__()
    assert HIDE_CURSOR in screen.getvalue()
    with pytest.raises(OSError, match="gone"):
        _raise_within(transfer, OSError("gone"))
    assert screen.getvalue().rfind(SHOW_CURSOR) > screen.getvalue().rfind(HIDE_CURSOR)


def test_stopped_transfer_breaks_off_at_its_next_progress() -> None:
    stoppable = Stoppable(Lines(io.StringIO()))
    transfer = stoppable.transfer("Kafka", 10)
    advance = transfer.__enter__()
    advance(5)
    stoppable.stop()
    with pytest.raises(CancelledError) as caught:
        advance(5)
    with pytest.raises(CancelledError):
        _raise_within(transfer, caught.value)


def _raise_within(block: AbstractContextManager[object], error: BaseException) -> None:
    """End a `with` block that was entered by hand as if this had been raised inside."""
    if not block.__exit__(type(error), error, None):
        raise error
