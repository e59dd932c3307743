"""`clickstream backup` and `clickstream restore` as an operator runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.clickstream.operations.backup.world import folder_of, fresh_database
from tests.e2e.process_pair import environment_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings import Settings

pytestmark = pytest.mark.engines


def run(environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clickstream", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.timeout(300)
def test_a_backup_is_taken_looked_at_and_restored(settings: Settings) -> None:
    target = str(folder_of(settings))
    taken = run(environment_of(settings), "backup", target, "--json")
    assert taken.returncode == 0, taken.stderr
    assert json.loads(taken.stdout)["location"] == target
    with fresh_database(settings) as lost:
        looked = run(environment_of(lost), "restore", target, "--dry-run", "--json")
        assert looked.returncode == 0, looked.stderr
        assert json.loads(looked.stdout)["dry_run"] is True
        done = run(environment_of(lost), "restore", target)
        assert done.returncode == 0, done.stderr
        assert "restored the backup of" in done.stdout


def test_what_is_no_backup_ends_with_one_line_and_status_1(
    settings: Settings, tmp_path: Path
) -> None:
    with fresh_database(settings) as lost:
        refused = run(environment_of(lost), "restore", str(tmp_path))
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "not complete" in refused.stderr
    assert "Traceback" not in refused.stderr
