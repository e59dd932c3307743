"""Wrong paths, addresses and options end every command by a few lines, and never by a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

NOWHERE = {
    "CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "CLICKSTREAM_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1",
    "CLICKSTREAM_CLICKHOUSE_URL": "http://127.0.0.1:1/clickstream",
}
LINES = 4  # as Click writes them: usage, hint, an empty line, the error

COMMANDS = {
    "export": "export -o {dir}/x.parquet",
    "export into nowhere": "export -o /nonexistent/x.parquet",
    "export as csv": "export -o {dir}/x.csv",
    "restore a file": "restore {dir}/file",
    "migrate": "migrate",
    "schemas": "schemas register",
    "dlq show": "dlq show nonsense",
    "doctor of nowhere": "doctor --data-dir {dir}/none",
    "up on a file": "up --data-dir {dir}/file",
    "demo on a file": "demo --data-dir {dir}/file/below",
    "no such option": "up --prot 9",
    "no such command": "uq",
}


def run(line: str, folder: Path, more: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    (folder / "file").touch()
    return subprocess.run(
        [sys.executable, "-m", "clickstream", *line.format(dir=folder).split()],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), **more},
        check=False,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_input_is_told_in_a_few_lines(tmp_path: Path, name: str) -> None:
    ended = run(COMMANDS[name], tmp_path, NOWHERE)
    assert ended.returncode in (1, 2, 75), ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) <= LINES, ended.stderr
    assert ended.stderr.strip() or ended.stdout.strip()
