"""Reading what `python -m benchmarks` has written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.outcome import Outcome

RESULTS = Path(__file__).parent / "results"


def recorded() -> list[Path]:
    """All files of results, by name: dates first, `latest.jsonl` last."""
    return sorted(RESULTS.glob("*.jsonl"))


def outcomes(files: Iterable[Path]) -> Mapping[str, list[Outcome]]:
    """The contenders of each benchmark. A later file replaces the rows that it has."""
    found: dict[str, list[Outcome]] = {}
    for file in files:
        for line in file.read_text().splitlines():
            report = json.loads(line)
            if "benchmark" in report:
                found[report["benchmark"]] = [Outcome(**each) for each in report["outcomes"]]
    return found
