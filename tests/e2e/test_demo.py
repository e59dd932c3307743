"""`clickstream demo` from nothing to a clean ledger, again on the same system, until Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from clickstream.local.endpoints import load_endpoints
from clickstream.local.processes.child_process import log_tail

pytestmark = pytest.mark.engines

# Beyond all that a demo itself waits for (unanswered posts, samples, the sink), so that it is the
# demo that says what did not come.
_SECONDS = 280


def demo(folder: Path, sessions: int) -> list[str]:
    command = [sys.executable, "-m", "clickstream", "demo", "--json"]
    return [*command, "--sessions", str(sessions), "--data-dir", str(folder), "--port", "0"]


@contextmanager
def staying_demo(folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A demo that started the system and has printed its ledger; killed if it does not end."""
    with (folder / "demo.log").open("w") as log:
        process = subprocess.Popen(demo(folder, 150), stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (folder / "demo.log").read_text()
            yield process, json.loads(line)
        finally:
            process.kill()
            process.communicate()


def assert_clean(ledger: dict[str, Any]) -> None:
    assert ledger["passed"] is True
    assert ledger["missing"] == ledger["duplicated"] == ledger["altered"] == 0
    assert ledger["rows"]["sent"] == ledger["rows"]["acknowledged"]
    assert ledger["rows"]["sent"]["sessions"] >= 150
    assert {"GET session", "SQL session"} <= set(ledger["freshness"])


@pytest.mark.timeout(2 * _SECONDS)
def test_the_demo_is_clean_stays_up_is_used_again_and_ends_on_request(tmp_path: Path) -> None:
    with staying_demo(tmp_path) as (process, first):
        assert_clean(first)
        endpoints = load_endpoints(tmp_path)
        assert endpoints is not None
        assert httpx.get(f"{endpoints.http}/readyz").status_code == 200

        again = subprocess.run(
            demo(tmp_path, 150), check=False, capture_output=True, text=True, timeout=_SECONDS
        )
        worker = log_tail(tmp_path / "logs" / "worker-1.log", 30)
        assert again.returncode == 0, f"{again.stdout}{again.stderr}\n{worker}"
        second = json.loads(again.stdout)
        assert_clean(second)
        assert second["run_id"] != first["run_id"]
        assert load_endpoints(tmp_path) == endpoints

        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(_SECONDS) == 0
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []
        assert load_endpoints(tmp_path) is None
