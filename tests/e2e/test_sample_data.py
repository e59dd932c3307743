"""`clickstream demo --data-only` and `--remove`, beside somebody's own data."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clickstream.local.endpoints import Endpoints, write_endpoints
from core.clickhouse.client import connect
from tests.e2e.process_pair import ProcessPair

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

SESSIONS = 40


def demo(pair: ProcessPair, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clickstream", "demo", "--data-dir", str(folder), *options]
    return subprocess.run(
        command, env=pair.environment, capture_output=True, text=True, check=False
    )


def test_it_is_loaded_once_and_removed_alone(pair: ProcessPair, tmp_path: Path) -> None:
    settings = pair.settings
    write_endpoints(
        Endpoints(
            pid=os.getpid(),
            data_dir=str(tmp_path),
            http=pair.url,
            docs=f"{pair.url}/docs",
            kafka=settings.kafka_bootstrap_servers,
            registry=settings.schema_registry_url,
            clickhouse=settings.clickhouse_url.get_secret_value(),
            workers=(),
        )
    )
    mine = {"session_id": "mine", "search_query": "printer", "search_results": []}
    assert pair.post("/session", {**mine, "user_id": "me"}).is_success
    load = ("--data-only", "--sessions", str(SESSIONS))
    loaded = demo(pair, tmp_path, *load)
    assert loaded.returncode == 0, loaded.stderr
    assert f"{pair.url}/" in loaded.stdout
    found = pair.get("/analytics/overview", relevance="include").json()["sessions"]
    assert found >= SESSIONS + 1

    again = demo(pair, tmp_path, *load)
    assert again.returncode == 1
    assert "demo --remove" in again.stderr

    removed = demo(pair, tmp_path, "--remove")
    assert removed.returncode == 0, removed.stderr
    assert f"{found - 1} sessions" in removed.stdout
    assert pair.get("/analytics/overview", relevance="include").json()["sessions"] == 1
    with connect(settings, role="test") as sql:
        assert sql.query("SELECT session_id FROM sessions FINAL").result_rows == [("mine",)]
        assert sql.query("SELECT session_id FROM session_facts FINAL").result_rows == [("mine",)]
        (events,) = sql.query("SELECT count() FROM events FINAL").result_rows
        assert events == (0,)
    assert demo(pair, tmp_path, *load).returncode == 0
