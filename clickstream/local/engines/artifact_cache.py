"""The download cache: each artifact is fetched once, checked, and then only read.

Everything is made in a staging folder and renamed into place, so what has its final name is whole
and checked, whenever a process was killed. Names hold the checksum: another lock, another name.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from core.errors import EngineError


def cache_folder() -> Path:
    """`CLICKSTREAM_CACHE_DIR`, or `clickstream` in the user's cache folder."""
    override = os.environ.get("CLICKSTREAM_CACHE_DIR")
    return Path(override) if override else platformdirs.user_cache_path("clickstream")


class Cache:
    """A folder of finished artifacts that several processes may use at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str, make: Callable[[Path], None]) -> Path:
        """The folder `name`; when it is missing, `make` fills an empty one that becomes it.

        Blocks while another process makes the same one. What `make` raises passes through, and
        leaves nothing behind.
        """
        done = self.folder / name
        if done.exists():
            return done
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder / f"{name}.lock"):
            if not done.exists():
                # Under the lock nobody else makes it: these are of processes that were killed.
                for abandoned in self.folder.glob(f".staging-{glob.escape(name)}-*"):
                    shutil.rmtree(abandoned, ignore_errors=True)
                staging = Path(tempfile.mkdtemp(prefix=f".staging-{name}-", dir=self.folder))
                try:
                    filled = staging / "filled"
                    filled.mkdir()
                    make(filled)
                    filled.rename(done)
                finally:
                    shutil.rmtree(staging, ignore_errors=True)
        return done


def verify_sha256(file: Path, expected: str) -> None:
    """EngineError, and the file is deleted, when its SHA-256 (hex) is another."""
    _verify(file, "sha256", expected, _digest(file, "sha256").hex())


def verify_integrity(file: Path, expected: str) -> None:
    """The same for npm's notation, `sha512-<base64>`."""
    import base64

    found = "sha512-" + base64.b64encode(_digest(file, "sha512")).decode()
    _verify(file, "sha512", expected, found)


def _digest(file: Path, algorithm: str) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).digest()


def _verify(file: Path, algorithm: str, expected: str, found: str) -> None:
    if found == expected:
        return
    file.unlink()
    raise EngineError(
        f"{file.name} is not the file that was pinned: its {algorithm} is {found}, expected "
        f"{expected}. It has been deleted. Try again; if it stays so, do not trust that download"
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released by the kernel when the process ends
        yield
