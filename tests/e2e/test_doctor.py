"""`clickstream doctor` as a person runs it, against real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.e2e.process_pair import ProcessPair

pytestmark = pytest.mark.engines


def doctor(pair: ProcessPair) -> tuple[int, dict[str, Any]]:
    """Exit status and findings by name."""
    done = subprocess.run(
        [sys.executable, "-m", "clickstream", "doctor", "--json", "--url", pair.url],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **pair.environment},
        timeout=60,
    )
    said = json.loads(done.stdout)
    return done.returncode, {check["name"]: check for check in said["checks"]}


def test_a_running_system_is_green(pair: ProcessPair) -> None:
    status, findings = doctor(pair)
    assert {name: f for name, f in findings.items() if f["status"] != "ok"} == {}
    assert status == 0


def test_a_stopped_worker_is_named(pair: ProcessPair) -> None:
    pair.worker.stop()
    try:
        status, findings = doctor(pair)
    finally:
        pair.worker.start()
    assert status == 1
    assert [name for name, f in findings.items() if f["status"] == "fail"] == ["worker"]


def test_a_stopped_edge_is_noticed(pair: ProcessPair) -> None:
    pair.edge.stop()
    try:
        _, findings = doctor(pair)
    finally:
        pair.edge.start()
    assert findings["http"]["status"] == "warn"
