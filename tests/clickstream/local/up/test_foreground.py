"""Each signal that asks for the end lets the system end in order, and no second one cuts it off."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream.local.up import foreground
from clickstream.local.up.stack import StackOptions

STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class FakeStack:
    """A stack that is asked to end as soon as it is watched, and once more while it ends."""

    asked: signal.Signals
    done: list[str]

    def __init__(self, *_: object) -> None: ...

    def start(self, _prepare: object) -> None:
        self.done.append("started")

    def watch(self) -> None:
        signal.raise_signal(self.asked)
        self.done.append("never")

    def stop(self) -> None:
        for number in STOP:
            signal.raise_signal(number)
        self.done.append("stopped")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeStack]]:
    """In place of the real one. What the command sets for the process is as before afterwards."""
    before, mask = {number: signal.getsignal(number) for number in STOP}, os.umask(0o022)
    monkeypatch.setattr(FakeStack, "done", [], raising=False)
    monkeypatch.setattr(foreground, "LocalStack", FakeStack)
    yield FakeStack
    os.umask(mask)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOP)
def test_it_ends_in_order(
    number: signal.Signals, stack: type[FakeStack], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "asked", number, raising=False)
    foreground.run_in_foreground(
        StackOptions(tmp_path, 0, 1), lambda _: None, lambda _: stack.done.append("announced")
    )
    assert stack.done == ["started", "announced", "stopped"]
