"""Waiting ends with an answer, or with an error that shows the log."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clickstream.local.processes.child_process import log_tail
from clickstream.local.processes.process_manager import Command, ProcessManager
from core.errors import EngineError


def test_process_that_ends_is_reported_with_its_last_words(tmp_path: Path) -> None:
    manager = ProcessManager()
    log = tmp_path / "broken.log"
    program = "import sys; print('cannot bind to the port'); sys.exit(3)"
    child = manager.spawn(Command("broken", [sys.executable, "-c", program], log))
    with pytest.raises(EngineError) as caught:
        child.wait_until_ready(lambda: False, 30)
    message = str(caught.value)
    assert "broken ended with status 3" in message
    assert str(log) in message
    assert "cannot bind to the port" in message
    child.kill()
    manager.close()


def test_silence_ends_at_the_deadline(tmp_path: Path) -> None:
    manager = ProcessManager()
    program = [sys.executable, "-c", "import signal; signal.pause()"]
    child = manager.spawn(Command("mute", program, tmp_path / "mute.log"))
    with pytest.raises(EngineError, match="mute gave no answer in 0 s"):
        child.wait_until_ready(lambda: False, 0)
    child.kill()
    manager.close()


def test_last_lines_of_a_long_log(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    log.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert log_tail(log, 2) == "    line 99998\n    line 99999"


def test_last_lines_of_a_log_that_is_not_there(tmp_path: Path) -> None:
    assert log_tail(tmp_path / "none.log", 5) == ""
