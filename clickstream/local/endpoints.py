"""Where a running system is found: `up` writes it into its data directory, others read it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from core.errors import SetupError
from core.settings import Settings

_FILE = "endpoints.json"

RELEASES = "releases"
"""The folder of releases in a data directory, unless the settings name another."""

_DECLARED: Final = {"dimensions": ("search_meta.device",), "event_value": "meta.amount"}
"""What traffic of the demo and the sample data carry."""

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC

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
            "CLICKSTREAM_CLICKHOUSE_CLUSTER": "",
        }


def with_declared_paths(settings: Settings) -> Settings:
    """Those of a local system: what the sample data can be asked by, unless others are set."""
    missing = {name: paths for name, paths in _DECLARED.items() if not getattr(settings, name)}
    return settings.model_copy(update=missing)


def write_endpoints(endpoints: Endpoints) -> None:
    """Make them known; readers see the old file or the new one, never half of it."""
    file = Path(endpoints.data_dir) / _FILE
    content = {**asdict(endpoints), "started": _started(endpoints.pid)}
    replacement = file.with_suffix(".new")
    # It holds ClickHouse's password.
    with os.fdopen(os.open(replacement, _NEW_FILE, 0o600), "w") as draft:
        draft.write(json.dumps(content, indent=2) + "\n")
    replacement.replace(file)


def remove_endpoints(data_dir: Path) -> None:
    """The system is going down."""
    (data_dir / _FILE).unlink(missing_ok=True)


def load_endpoints(data_dir: Path) -> Endpoints | None:
    """The system that runs on this folder and has said it is ready; None when there is none.

    A file left by a system that was killed does not count: its process must still be the same one.
    Raises SetupError for a file that cannot be read or understood.
    """
    file = data_dir / _FILE
    try:
        content = json.loads(file.read_text())
        started = _started(content["pid"])
        if started is None or abs(started - content.pop("started")) > _CLOCK_SLACK_SECONDS:
            return None
        return Endpoints(**{**content, "workers": tuple(content["workers"])})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SetupError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SetupError(
            f"{file} is damaged or of another version: stop the `clickstream up` of that directory,"
            " then delete the file"
        ) from None


def _started(pid: int) -> float | None:
    """When the process began, seconds since the epoch; None when it does not run any more."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
