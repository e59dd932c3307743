"""Start a whole system in the background, for commands that need one to talk to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clickstream.local.data_directory import DataDirectory
from clickstream.local.endpoints import Endpoints, load_endpoints
from clickstream.local.engines.downloads import fetch
from clickstream.local.processes.child_process import Child
from clickstream.local.processes.environment import AWS, SETTINGS
from clickstream.local.processes.process_manager import Command, ProcessManager
from clickstream.local.up.app_services import PYTHON_MODULE
from clickstream.progress import ConsoleProgress
from core.errors import EngineError

# Servers, tables and processes, one after another, each with its own shorter deadline inside
# `up`.
_READY_SECONDS = 240.0
# `up` gives each of its processes up to 30 s, in three rounds.
_STOP_SECONDS = 100.0


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A running `clickstream up` and the hold on it."""

    endpoints: Endpoints
    _child: Child
    _manager: ProcessManager

    def stop(self) -> None:
        """End it as Ctrl-C would, and wait for that. May be called again."""
        self._child.stop(_STOP_SECONDS)
        self._manager.close()


def start_up(
    data_dir: Path,
    *,
    port: int = 0,
    workers: int = 1,
) -> RunningStack:
    """Run `clickstream up` as a child and return once it is ready.

    Downloads happen here, where progress is seen. Its output goes to `logs/up.log` in the folder.
    The system ends with this process, however that ends. Raises EngineError with the end of that
    log; nothing is left running then.
    """
    DataDirectory(data_dir).create()  # a wrong one is told before the downloads
    fetch(ConsoleProgress())
    options = ["--data-dir", str(data_dir), "--port", str(port), "--workers", str(workers)]
    log = data_dir / "logs" / "up.log"
    argv = (*PYTHON_MODULE, "up", *options, "--json")
    command = Command("clickstream up", argv, log, inherits=(SETTINGS, AWS))
    manager = ProcessManager()
    child = manager.spawn(command)
    try:
        child.wait_until_ready(lambda: _endpoints_of(child, data_dir) is not None, _READY_SECONDS)
        endpoints = _endpoints_of(child, data_dir)
        if endpoints is None:
            raise EngineError(f"clickstream up ended just after it was ready; see {log}")
    except BaseException:  # Ctrl-C as well
        child.stop(_STOP_SECONDS)
        manager.close()
        raise
    return RunningStack(endpoints, child, manager)


def _endpoints_of(child: Child, data_dir: Path) -> Endpoints | None:
    """What this very process has made known, not another one on the same folder."""
    found = load_endpoints(data_dir)
    return found if found is not None and found.pid == child.pid else None
