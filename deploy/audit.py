"""Are the locked packages known to be unsafe, or withdrawn by their authors?

    python deploy/audit.py [CONSTRAINTS]

Two questions about every line of `deploy/constraints.txt`, and an exit status of 1 when the answer
to either is yes:

1. Is there an advisory about this version? `pip-audit` asks the package index. Some indexes, such
   as mirrors, have no advisories: how many packages could be asked about is printed, and none is
   said to be safe that was not.
2. Was it withdrawn ("yanked"), or is it gone? pip resolves all of them without installing. This
   works with every index, and is what is left where the first question finds no ear.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CONSTRAINTS: Final = Path(__file__).parent / "constraints.txt"

# An index that is slow to answer for a hundred packages is not a reason to wait for ever. Seconds.
_PATIENCE: Final = 900


class AuditError(Exception):
    """A tool could not do its work: nothing is known about the packages."""


@dataclass(frozen=True, slots=True)
class Advisories:
    """`asked` packages were found where advisories are kept; `found` are sentences about them."""

    asked: int
    found: tuple[str, ...]


def main() -> int:
    """Print both answers; 1 when a package should not be shipped, 2 when nothing could be told."""
    constraints = Path(sys.argv[1]) if len(sys.argv) > 1 else CONSTRAINTS
    pins = sum("==" in line for line in constraints.read_text(encoding="utf-8").splitlines())
    try:
        advisories = read_advisories(run_pip_audit(constraints))
        withdrawn = read_withdrawn(resolve(constraints))
    except AuditError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 2
    print(f"advisories: {advisories.asked} of {pins} packages could be asked about")
    print(f"withdrawn or missing: all {pins} packages were asked about")
    findings = [*advisories.found, *withdrawn]
    for finding in findings:
        print(f"  {finding}")
    print(f"{len(findings)} findings")
    return 1 if findings else 0


def run_pip_audit(constraints: Path) -> str:
    """pip-audit's report, JSON. It exits with 1 when it found something, which is no failure."""
    command = ["pip_audit", "--no-deps", "--disable-pip", "--format=json", "--progress-spinner=off"]
    done = _run([sys.executable, "-m", *command, "--requirement", str(constraints)])
    if done.returncode not in (0, 1) or not done.stdout.strip():
        raise AuditError(f"pip-audit ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def read_advisories(report: str) -> Advisories:
    """What pip-audit says."""
    packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    asked = [package for package in packages if "vulns" in package]
    found = tuple(
        f"{package['name']} {package['version']}: {vulnerability['id']},"
        f" fixed in {', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for package in asked
        for vulnerability in package["vulns"]
    )
    return Advisories(len(asked), found)


def resolve(constraints: Path) -> dict[str, Any]:
    """pip's installation report of exactly these versions. AuditError when one is gone."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
        command = ["pip", "install", *options, "--report", str(report)]
        done = _run([sys.executable, "-m", *command, "--requirement", str(constraints)])
        if done.returncode != 0:
            raise AuditError(f"pip cannot find every package: {done.stderr.strip()[-500:]}")
        contents: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return contents


def read_withdrawn(report: dict[str, Any]) -> tuple[str, ...]:
    """The packages whose authors have taken this version back."""
    return tuple(
        f"{item['metadata']['name']} {item['metadata']['version']}: withdrawn by its authors"
        for item in report["install"]
        if item.get("is_yanked")
    )


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - fixed words and one path, no shell
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired as error:
        raise AuditError(f"{command[2]} gave no answer within {_PATIENCE} s") from error


if __name__ == "__main__":
    sys.exit(main())
