"""Where a running system is found: `up` writes it into its data directory, others read it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

_FILE = "endpoints.json"

# Start times are told relative to the boot, whose own time moves when the clock is set right.
_CLOCK_SLACK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Every address of a running `clickstream up`, and the process itself."""

    pid: int
    data_dir: str
    http: str
    docs: str
    kafka: str
    registry: str
    clickhouse: str
    workers: tuple[str, ...]

    def environment(self) -> dict[str, str]:
        """The variables with which any `clickstream` command speaks to this system."""
        return {
            "CLICKSTREAM_KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "CLICKSTREAM_SCHEMA_REGISTRY_URL": self.registry,
            "CLICKSTREAM_CLICKHOUSE_URL": self.clickhouse,
        }


def write_endpoints(endpoints: Endpoints) -> None:
    """Make them known; readers see the old file or the new one, never half of it."""
    file = Path(endpoints.data_dir) / _FILE
    content = {**asdict(endpoints), "started": _started(endpoints.pid)}
    replacement = file.with_suffix(".new")
    replacement.write_text(json.dumps(content, indent=2) + "\n")
    replacement.replace(file)


def remove_endpoints(data_dir: Path) -> None:
    """The system is going down."""
    (data_dir / _FILE).unlink(missing_ok=True)


def load_endpoints(data_dir: Path) -> Endpoints | None:
    """The system that runs on this folder and has said it is ready; None when there is none.

    A file left by a system that was killed does not count: its process must still be the same one.
    """
    try:
        content = json.loads((data_dir / _FILE).read_text())
    except FileNotFoundError:
        return None
    started = _started(content["pid"])
    if started is None or abs(started - content.pop("started")) > _CLOCK_SLACK_SECONDS:
        return None
    return Endpoints(**{**content, "workers": tuple(content["workers"])})


def _started(pid: int) -> float | None:
    """When the process began, seconds since the epoch; None when it does not run any more."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
