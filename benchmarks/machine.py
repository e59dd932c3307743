"""What the figures were measured on: without it they mean nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

_PACKAGES: Final = (
    *("confluent-kafka", "faust-streaming", "fastavro", "pyruhvro", "pyarrow"),
    *("clickhouse-connect", "uvicorn", "fastapi", "msgspec"),
)


def describe() -> Mapping[str, str]:
    """Name and value of each fact, as text."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "commit": _commit(),
        **{name: version(name) for name in _PACKAGES},
    }


def _cpu_model() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    """The checkout's commit, with a plus when files differ from it; "unknown" outside of one."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    said = subprocess.run(  # noqa: S603  (git as found on PATH)
        [git, "describe", "--always", "--dirty=+"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() or "unknown"
