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
    """The contenders of each benchmark. A later file replaces the rows that it has; but a part of
    the work does not replace the whole, which takes hours."""
    found: dict[str, list[Outcome]] = {}
    whole: set[str] = set()
    for file in files:
        is_whole = False
        for line in file.read_text().splitlines():
            report = json.loads(line)
            is_whole = report.get("full", is_whole)
            name = report.get("benchmark")
            if name is None or (name in whole and not is_whole):
                continue
            found[name] = [Outcome(**each) for each in report["outcomes"]]
            if is_whole:
                whole.add(name)
    return found
