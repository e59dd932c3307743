from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clickstream.commands.demo import _typed

_IN_THE_BACKGROUND = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
from clickstream.commands.demo import _stay_up
_stay_up()
"""


def test_ctrl_c_ends_it_although_a_shell_started_it_in_the_background() -> None:
    argv = [sys.executable, "-c", _IN_THE_BACKGROUND]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert "Ctrl-C" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_what_to_type_is_what_the_shell_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [".venv/bin/clickstream", "demo"])
    assert _typed() == ".venv/bin/clickstream"
    command = tmp_path / "clickstream"
    command.touch(0o755)
    assert _typed() == "clickstream"
    command.unlink()
    monkeypatch.setattr(sys, "argv", ["/lib/clickstream/__main__.py", "demo"])
    assert _typed() == "clickstream"
