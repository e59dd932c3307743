"""The result of a replay, for people and for machines."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from clickstream.operations.rebuild.compare import Fingerprint
from clickstream.operations.rebuild.run import Outcome


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """One JSON object. Checksums are strings: they need all 64 bits."""
    return {
        "from": str(outcome.origin),
        "records": outcome.records,
        "seconds": round(outcome.seconds, 3),
        "pause_seconds": round(outcome.pause_seconds, 3),
        "on_their_way": outcome.on_their_way,
        "equal": outcome.equal,
        "kept": outcome.kept,
        "tables": [
            {
                "table": table.table,
                "before": _as_dict(table.before),
                "after": _as_dict(table.after),
                "equal": table.equal,
            }
            for table in outcome.tables
        ],
    }


def print_outcome(outcome: Outcome, console: Console) -> None:
    """A table of checksums, and what it means."""
    table = Table("table", "rows before", "rows after", "checksum before", "after", "", box=None)
    for compared in outcome.tables:
        before, after = compared.before, compared.after
        table.add_row(
            compared.table,
            f"{before.rows:,}",
            f"{after.rows:,}",
            f"{before.checksum:016x}",
            f"{after.checksum:016x}",
            "equal" if compared.equal else "DIFFERENT",
        )
    console.print(table)
    for line in _lines(outcome):
        console.print(line, highlight=False, soft_wrap=True)


def _lines(outcome: Outcome) -> list[str]:
    lines = [
        f"read {outcome.records:,} records from {outcome.origin} in {outcome.seconds:.1f} s;"
        f" nothing could be read or written for {outcome.pause_seconds:.2f} s"
    ]
    if outcome.on_their_way:
        lines.append(
            f"{outcome.on_their_way:,} records were on their way to the old tables: their rows are"
            " not compared"
        )
    if not outcome.equal:
        lines.append("the tables are not what they were; the rebuilt ones are in place")
    if outcome.kept:
        lines.append(
            f"the old tables are in {outcome.kept}: DROP DATABASE {outcome.kept} when they are no"
            " longer needed"
        )
    return lines


def _as_dict(fingerprint: Fingerprint) -> dict[str, Any]:
    return {"rows": fingerprint.rows, "checksum": f"{fingerprint.checksum:016x}"}
