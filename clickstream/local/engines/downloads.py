"""Have everything that the local servers need, downloading what is not there yet.

`python -m clickstream.local.engines.downloads` does just that, so that a later start needs no
network.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clickstream.local.engines import maven, npm
from clickstream.local.engines.artifact_cache import Cache, cache_folder
from clickstream.local.engines.lockfile import Lock, clickhouse_package, platform_name, read_lock
from clickstream.progress import Advance, ConsoleProgress, ProgressReporter
from core.errors import ClickstreamError, EngineError
from core.settings import Settings

_UNPINNED = (
    "{package.name}@{package.version} has no pinned checksum for {platform}, so what a registry"
    " sends would run unchecked: name a `clickhouse` binary by"
    " CLICKSTREAM_LOCAL__CLICKHOUSE_BINARY, or accept the download by"
    " CLICKSTREAM_LOCAL__ALLOW_UNPINNED=true"
)
_LIBRARY = "libchdb.so"  # its name on macOS as well


@dataclass(frozen=True, slots=True)
class Installed:
    """Where the servers' programs are. Exactly one of the two ClickHouse fields is set."""

    kafka_jars: Path
    registry: Path
    clickhouse_library: Path | None = None
    clickhouse_binary: Path | None = None


def fetch(
    progress: ProgressReporter, cache: Cache | None = None, lock: Lock | None = None
) -> Installed:
    """Everything in place, whole and checked. Immediate when it is; EngineError when it cannot be.

    A `clickhouse` binary is taken instead of the library only where a setting names one.
    """
    lock = lock or read_lock()
    cache = cache or Cache(cache_folder())
    binary = _own_binary(Settings().local.clickhouse_binary)
    cancellable = CancellableProgress(progress)
    with ThreadPoolExecutor(3) as pool:
        kafka = pool.submit(_kafka, cache, lock, cancellable)
        registry = pool.submit(_registry, cache, lock, cancellable)
        library = None if binary else pool.submit(_clickhouse, cache, lock, cancellable)
        downloads = [kafka, registry, *([library] if library else [])]
        try:
            for download in as_completed(downloads):
                download.result()
        except BaseException:  # Ctrl-C too: the pool waits for its threads, so let them end soon
            cancellable.cancel()
            raise
    return Installed(
        kafka_jars=kafka.result(),
        registry=registry.result(),
        clickhouse_library=library.result() if library else None,
        clickhouse_binary=binary,
    )


class CancellableProgress:
    """Passes on to another reporter until `cancel`; from then on every piece of work breaks off."""

    def __init__(self, progress: ProgressReporter) -> None:
        self.say = progress.say
        self._progress = progress
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Each `advance` raises CancelledError from now on."""
        self._cancelled.set()

    @contextmanager
    def over(self, what: str, total: int) -> Iterator[Advance]:
        with self._progress.over(what, total) as tell:

            def advance(count: int) -> None:
                if self._cancelled.is_set():
                    raise CancelledError
                tell(count)

            yield advance


def _own_binary(named: Path | None) -> Path | None:
    if named is None:
        return None
    if not os.access(named, os.X_OK) or named.is_dir():
        raise EngineError(f"CLICKSTREAM_LOCAL__CLICKHOUSE_BINARY: {named} is no program")
    return named.absolute()


def _kafka(cache: Cache, lock: Lock, progress: ProgressReporter) -> Path:
    """A folder of jars."""
    name = f"Kafka {lock.kafka_version}"
    digest = _short(*(jar.sha256 for jar in lock.kafka))
    return cache.get(
        f"kafka-{lock.kafka_version}-{digest}",
        lambda folder: maven.download(name, lock.kafka, folder, progress),
    )


def _registry(cache: Cache, lock: Lock, progress: ProgressReporter) -> Path:
    """The unpacked archive, with `quarkus-run.jar` in it."""

    def make(folder: Path) -> None:
        name = f"Apicurio registry {lock.registry_version}"
        maven.download(name, [lock.registry], folder, progress)
        archive = folder / lock.registry.file_name
        with tarfile.open(archive) as tar:
            _stay_inside(tar)
            tar.extractall(folder)  # noqa: S202 - a pinned archive, its checksum verified
        archive.unlink()

    return cache.get(f"registry-{lock.registry_version}-{_short(lock.registry.sha256)}", make)


def _clickhouse(cache: Cache, lock: Lock, progress: ProgressReporter) -> Path:
    """The library itself."""
    platform = platform_name()
    package = clickhouse_package(lock, platform)
    if not package.integrity and not Settings().local.allow_unpinned:
        raise EngineError(_UNPINNED.format(package=package, platform=platform))

    def make(folder: Path) -> None:
        archive = npm.download(package, folder, progress)
        with tarfile.open(archive) as tar:
            member = tar.getmember(f"package/{_LIBRARY}")
            member.name = _LIBRARY
            _stay_inside(tar)
            tar.extract(member, folder)
        archive.unlink()

    digest = _short(package.integrity)
    folder = cache.get(f"clickhouse-{package.version}-{platform}-{digest}", make)
    return folder / _LIBRARY


def _stay_inside(archive: tarfile.TarFile) -> None:
    """Refuse paths that lead out of the folder. Python 3.11.0 to 3.11.3 cannot: there the checksum,
    which was verified before, has to be enough."""
    archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)


def _short(*checksums: str) -> str:
    return hashlib.sha256(" ".join(checksums).encode()).hexdigest()[:12]


if __name__ == "__main__":
    try:
        fetch(ConsoleProgress())
    except ClickstreamError as error:
        sys.exit(f"clickstream: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; run it again to go on")
