"""Runs row after row on one lab, writes each down as soon as it is there, and sums up."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.catalogue import Row
from benchmarks.lab import Lab
from benchmarks.machine import describe
from benchmarks.outcome import Report
from benchmarks.script import Size, measure


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of everything: the short form takes minutes, the full one an hour or more.

    `rounds` overrides what each row would have.
    """

    full: bool = False
    rounds: int | None = None
    scale: float = 1.0

    def size_of(self, row: Row) -> Size:
        """The scale of a row's work."""
        return Size((1.0 if self.full else row.short_scale) * self.scale)

    def rounds_of(self, row: Row) -> int:
        """One in the short form: CPU per record differs by a few percent from round to round."""
        return self.rounds or (row.full_rounds if self.full else 1)


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of one row: its report, or why there is none."""

    row: Row
    report: Report | None
    failure: str = ""


def screen() -> Console:
    """Where people read along: standard error, wide enough for the tables when it is a file."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else 120)


def run(
    rows: Sequence[Row], lab: Lab, extent: Extent, out: Path, console: Console
) -> list[Finished]:
    """One after another. A row that fails does not keep the others from being measured.

    `out` gets a line of JSON about the machine, then one for each row that was measured.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    finished: list[Finished] = []
    with out.open("w") as lines:
        lines.write(json.dumps({"machine": describe(), "full": extent.full}) + "\n")
        for number, row in enumerate(rows, 1):
            started = time.monotonic()
            console.print(f"[{number}/{len(rows)}] {row.name}: {row.about} …", markup=False)
            done = _measured(row, lab, extent)
            finished.append(done)
            console.print(f"  {time.monotonic() - started:.0f} s", highlight=False)
            if done.report is None:
                console.print(done.failure, style="red", markup=False, highlight=False)
                continue
            done.report.print(console)
            lines.write(done.report.to_json() + "\n")
            lines.flush()
    return finished


def sum_up(finished: Sequence[Finished], console: Console) -> None:
    """One table of all targets."""
    table = Table("benchmark", "target", "reached", "", title="targets")
    for done in finished:
        if done.report is None:
            table.add_row(done.row.name, "", "", "FAILED", style="red")
            continue
        for verdict in done.report.verdicts:
            table.add_row(
                done.row.name,
                verdict.target,
                verdict.number,
                verdict.word,
                style="red" if verdict.is_met is False else None,
            )
    console.print(table)


def _measured(row: Row, lab: Lab, extent: Extent) -> Finished:
    try:
        report = measure(row.load(), lab, extent.size_of(row), extent.rounds_of(row))
    # Whatever it is, a ledger that does not add up included: it is shown, and the status says so.
    except Exception:
        return Finished(row, None, traceback.format_exc())
    return Finished(row, report)
