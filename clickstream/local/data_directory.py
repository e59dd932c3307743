"""The data directory of a local system: its lock, its ports, its logs."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection
from pathlib import Path

import platformdirs

from clickstream.local.processes.ports import choose_ports
from core.errors import EngineError


def default_data_directory() -> Path:
    """`clickstream` in the user's data directory."""
    return platformdirs.user_data_path("clickstream")


class DataDirectory:
    """A directory that one process at a time has locked."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    def lock(self) -> None:
        """Lock it until `release` or the end of this process, however that ends.

        Raises EngineError that names the process which has locked it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        # Not inheritable, so that no server can keep the lock alive after us.
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode().strip() or "unknown"
            os.close(lock)
            raise EngineError(
                f"{self.path} is in use by process {holder}; stop that one first (Ctrl-C, or "
                f"kill {holder}), or choose another directory with --data-dir"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock

    def release(self) -> None:
        """Unlock it. Nothing happens when it is not locked."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def ports(self, names: Collection[str]) -> dict[str, int]:
        """A port for each name: last time's where it is free, so that addresses stay the same."""
        ports_file = self.path / "ports.json"
        remembered = json.loads(ports_file.read_text()) if ports_file.exists() else {}
        chosen = choose_ports(names, remembered)
        replacement = ports_file.with_suffix(".new")
        replacement.write_text(json.dumps({**remembered, **chosen}, indent=2) + "\n")
        replacement.replace(ports_file)
        return chosen

    def log(self, name: str) -> Path:
        """Where the process of this name writes its log."""
        return self.path / "logs" / f"{name}.log"
