"""Write the bill of materials of an installation: CycloneDX, JSON.

    python deploy/sbom.py [FILE]

The Python packages are those of the environment it runs in, as `cyclonedx-py` finds them. The
local servers come from `clickstream/local/engines/lock.json`, with their checksums: tools that
only look at Python would leave out Kafka, the registry and ClickHouse.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from packageurl import PackageURL

from clickstream.local.engines.lockfile import Lock, MavenFile, NpmPackage, read_lock

ROOT: Final = Path(__file__).parent.parent
DEFAULT: Final = Path("sbom.cdx.json")

Component = dict[str, Any]


def main() -> None:
    """Write the file, and say how much is in it."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    bill = bill_of_materials()
    target.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    print(f"{target}: {len(bill['components'])} components")


def bill_of_materials() -> dict[str, Any]:
    """The whole document."""
    bill = python_packages()
    bill["components"] += engine_components(read_lock())
    return bill


def python_packages() -> dict[str, Any]:
    """A CycloneDX document with the packages of this environment."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    options = [
        "--pyproject",
        str(ROOT / "pyproject.toml"),
        "--output-format",
        "JSON",
        "--no-validate",
    ]
    done = subprocess.run(  # noqa: S603 - fixed words and one path, no shell
        [*command, *options], capture_output=True, text=True, check=True
    )
    bill: dict[str, Any] = json.loads(done.stdout)
    return bill


def engine_components(lock: Lock) -> list[Component]:
    """Everything that the three engines are made of, for every platform."""
    maven = [_maven(file) for file in (*lock.kafka, lock.registry)]
    return maven + [_npm(package) for _, package in sorted(lock.clickhouse.items())]


def _maven(file: MavenFile) -> Component:
    group, artifact, version, *_ = file.coordinate.split(":")
    url = PackageURL("maven", group, artifact, version)
    return _component(url, [{"alg": "SHA-256", "content": file.sha256}])


def _npm(package: NpmPackage) -> Component:
    scope, _, name = package.name.rpartition("/")
    url = PackageURL("npm", scope or None, name, package.version)
    algorithm, _, digest = package.integrity.partition("-")
    known = algorithm == "sha512" and digest
    content = base64.b64decode(digest).hex() if known else ""
    return _component(url, [{"alg": "SHA-512", "content": content}] if known else [])


def _component(url: PackageURL, hashes: list[dict[str, str]]) -> Component:
    component: Component = {
        "type": "library",
        "bom-ref": url.to_string(),
        "name": url.name,
        "version": url.version,
        "purl": url.to_string(),
    }
    if url.namespace:
        component["group"] = url.namespace
    return component | ({"hashes": hashes} if hashes else {})


if __name__ == "__main__":
    main()
