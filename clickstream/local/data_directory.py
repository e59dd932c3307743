"""The data directory of a local system: its lock, its ports, its passwords, its logs."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Any

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
        self.create()
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
        remembered = _read_map(ports_file)
        chosen = choose_ports(names, remembered)
        _write_map(ports_file, {**remembered, **chosen})
        return chosen

    def passwords(self, names: Collection[str]) -> dict[str, str]:
        """A random password for each name, the same again next time."""
        file = self.path / "passwords.json"
        remembered = _read_map(file)
        chosen = {name: remembered.get(name) or secrets.token_urlsafe(24) for name in names}
        if chosen != remembered:
            _write_map(file, {**remembered, **chosen})
        return chosen

    def log(self, name: str) -> Path:
        """Where the process of this name writes its log."""
        return self.path / "logs" / f"{name}.log"

    def create(self) -> None:
        """Make it if it is missing. Raises EngineError when it cannot be one.

        Tables hold user ids, and logs what callers sent: it is for no other account of the machine.
        A directory that has other things in it keeps the rights that it has.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if (self.path / "lock").exists() or not any(self.path.iterdir()):
                self.path.chmod(0o700)
        except OSError as error:
            raise EngineError(
                f"{self.path} cannot be a data directory: {error.strerror}"
            ) from error


def _read_map(file: Path) -> dict[str, Any]:
    """What `_write_map` wrote; nothing for no file. Raises EngineError for a damaged one."""
    try:
        found = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise EngineError(f"{file} is damaged: delete it, and it is made anew")
    return found


def _write_map(file: Path, content: dict[str, Any]) -> None:
    """For this account alone; readers see the old file or the new one."""
    replacement = file.with_suffix(".new")
    descriptor = os.open(replacement, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as draft:
        draft.write(json.dumps(content, indent=2) + "\n")
    replacement.replace(file)
