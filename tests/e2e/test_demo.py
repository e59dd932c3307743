"""`clickstream demo` from nothing to a clean ledger, and again on the same data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engines


def demo(folder: Path, sessions: int) -> dict[str, Any]:
    """The ledger of a run that starts the whole system and stops it at the end."""
    command = [sys.executable, "-m", "clickstream", "demo", "--once", "--json"]
    options = ["--sessions", str(sessions), "--data-dir", str(folder), "--port", "0"]
    done = subprocess.run(
        [*command, *options], check=False, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ledger: dict[str, Any] = json.loads(done.stdout)
    return ledger


@pytest.mark.timeout(600)
def test_the_demo_is_clean_and_so_is_the_next_on_the_same_folder(tmp_path: Path) -> None:
    first = demo(tmp_path, 150)
    second = demo(tmp_path, 150)
    assert first["run_id"] != second["run_id"]
    for ledger in (first, second):
        assert ledger["clean"] is True
        assert ledger["missing"] == ledger["duplicated"] == ledger["altered"] == 0
        assert ledger["rows"]["sent"] == ledger["rows"]["acknowledged"]
        assert set(ledger["freshness"]) == {"GET event", "GET session", "SQL session"}
    assert not (tmp_path / "endpoints.json").exists()
