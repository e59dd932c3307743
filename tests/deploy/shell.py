"""Run a command and hear what it says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]

Done = subprocess.CompletedProcess[str]


def run(*argv: str | Path, env: Mapping[str, str] | None = None) -> Done:
    """From the repository's root; `env` is added to ours. The status is the caller's to judge."""
    everything = {**os.environ, **(env or {})}
    return subprocess.run(
        argv, check=False, capture_output=True, text=True, cwd=ROOT, env=everything
    )
