from __future__ import annotations

import json
from pathlib import Path

from benchmarks.outcome import OURS, Outcome, Report
from benchmarks.results_file import outcomes


def test_reports_are_read_back_and_a_later_file_replaces_the_rows_that_it_has(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "2026-01-01.jsonl", tmp_path / "latest.jsonl"
    old = Outcome("row", OURS, {"us": 1.0})
    kept = Outcome("other", OURS, {"us": 2.0}, "a note")
    new = Outcome("row", OURS, {"us": 3.0})
    lines = ['{"machine": {}}', *(Report.of(o.benchmark, [[o]], ()).to_json() for o in (old, kept))]
    first.write_text("\n".join(lines))
    second.write_text(Report.of("row", [[new]], ()).to_json() + "\n")
    assert outcomes([first, second]) == {"row": [new], "other": [kept]}


def test_a_part_of_the_work_does_not_replace_the_whole(tmp_path: Path) -> None:
    whole, newer, part = (tmp_path / f"2026-01-0{day}.jsonl" for day in (1, 2, 3))
    for file, full, figure in ((whole, True, 1.0), (newer, True, 2.0), (part, False, 3.0)):
        report = Report.of("row", [[Outcome("row", OURS, {"us": figure})]], ())
        machine = f'{{"machine": {{}}, "full": {json.dumps(full)}}}'
        file.write_text(f"{machine}\n{report.to_json()}\n")
    assert outcomes([whole, newer, part]) == {"row": [Outcome("row", OURS, {"us": 2.0})]}
    assert outcomes([part]) == {"row": [Outcome("row", OURS, {"us": 3.0})]}
