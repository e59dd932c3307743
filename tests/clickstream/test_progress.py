"""Work is reported as bars on a terminal and as lines elsewhere."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager

import pytest
from rich.console import Console

from clickstream.progress import ConsoleProgress

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def test_lines_say_each_tenth_once() -> None:
    stream = io.StringIO()
    with ConsoleProgress(Console(file=stream)).over("records", 2_000) as advance:
        for _ in range(400):
            advance(5)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "records: 200 of 2,000"
    assert lines[-1] == "records: 2,000 of 2,000"
    assert len(lines) == 10


def test_an_unknown_total_is_no_error() -> None:
    with ConsoleProgress(Console(file=io.StringIO())).over("bytes", 0) as advance:
        advance(5)
    screen = io.StringIO()
    with ConsoleProgress(Console(file=screen, force_terminal=True)).over("bytes", 0) as advance:
        advance(5)
    assert "bytes" in screen.getvalue()


def test_bars_leave_the_terminal_as_it_was_after_a_failure() -> None:
    screen = io.StringIO()
    work = ConsoleProgress(Console(file=screen, force_terminal=True)).over("records", 10)
    work.__enter__()
    assert HIDE_CURSOR in screen.getvalue()
    with pytest.raises(OSError, match="gone"):
        raise_within(work, OSError("gone"))
    assert screen.getvalue().rfind(SHOW_CURSOR) > screen.getvalue().rfind(HIDE_CURSOR)


def raise_within(block: AbstractContextManager[object], error: BaseException) -> None:
    """End a `with` block that was entered by hand as if this had been raised inside."""
    if not block.__exit__(type(error), error, None):
        raise error
