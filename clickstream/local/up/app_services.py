"""The processes that are ours: how each is launched, and when it is ready.

Each command line names its role: `python -m clickstream worker`, `… edge --with-api`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial

from clickstream.local.data_directory import DataDirectory
from clickstream.local.processes.environment import SETTINGS
from clickstream.local.processes.ports import LOOPBACK
from clickstream.local.processes.process_manager import Command
from clickstream.local.processes.service import ServiceSpec
from core.health_probe import is_ready

_PROBE_SECONDS = 2.5  # /readyz asks the servers behind it, and gives each two seconds
_STOP_SECONDS = 30.0  # both drain within 25 s

PYTHON_MODULE = (sys.executable, "-m", "clickstream")


def http_service(
    directory: DataDirectory, environment: Mapping[str, str], host: str, port: int
) -> ServiceSpec:
    """The one HTTP process: write API, read API and documentation on one port."""
    url = f"http://{_reachable(host)}:{port}"
    command = Command(
        "http",
        (*PYTHON_MODULE, "edge", "--with-api"),
        directory.log("http"),
        env={**environment, "CLICKSTREAM_HTTP__HOST": host, "CLICKSTREAM_HTTP__PORT": str(port)},
        inherits=(SETTINGS,),
    )
    return ServiceSpec(command, url, partial(is_ready, url, _PROBE_SECONDS), _STOP_SECONDS)


def worker_service(
    directory: DataDirectory, environment: Mapping[str, str], name: str, port: int
) -> ServiceSpec:
    """One stream processor; `port` serves its metrics and readiness."""
    url = f"http://{LOOPBACK}:{port}"
    command = Command(
        name,
        (*PYTHON_MODULE, "worker"),
        directory.log(name),
        env={**environment, "CLICKSTREAM_WORKER__METRICS_PORT": str(port)},
        inherits=(SETTINGS,),
    )
    return ServiceSpec(command, url, partial(is_ready, url, _PROBE_SECONDS), _STOP_SECONDS)


def _reachable(host: str) -> str:
    """An address at which a server that listens on `host` answers us."""
    return LOOPBACK if host in ("0.0.0.0", "::") else host  # noqa: S104  (compared, not bound)
