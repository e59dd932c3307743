"""The result of a replay, for people and for machines."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from clickstream.operations.replay.coverage import Plan
from clickstream.operations.replay.run import Outcome
from clickstream.operations.replay.start_point import Origin


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """One JSON object."""
    return {
        "from": str(outcome.origin),
        "records": outcome.records,
        "seconds": round(outcome.seconds, 3),
        "resumed": outcome.resumed,
        "on_two_days": outcome.on_two_days,
        "tables": [
            {"table": table, "rows_before": rows, "rows_after": outcome.after[table]}
            for table, rows in outcome.before.items()
        ],
    }


def print_outcome(outcome: Outcome, console: Console) -> None:
    """A table of row counts, and what it means."""
    table = Table("table", "rows before", "rows after", box=None)
    for name, rows in outcome.before.items():
        table.add_row(name, f"{rows:,}", f"{outcome.after[name]:,}")
    console.print(table)
    for line in _lines(outcome):
        console.print(line, highlight=False, soft_wrap=True)


def _lines(outcome: Outcome) -> list[str]:
    lines = [f"read {outcome.records:,} records from {outcome.origin} in {outcome.seconds:.1f} s"]
    if outcome.on_two_days:
        lines.append(
            f"{outcome.on_two_days:,} sessions were posted again, on another day, while their first"
            " post was missing: they are stored twice. Stop the workers and replay with --fresh"
        )
    return lines


def plan_as_dict(origin: Origin, plan: Plan) -> dict[str, Any]:
    """What would be read, as one JSON object."""
    return {
        "from": str(origin),
        "records": plan.records,
        "keeps_older": plan.keeps_older,
        "partitions": [
            {
                "topic": partition.topic,
                "partition": partition.partition,
                "start": plan.starts[partition],
                "end": plan.ends[partition],
            }
            for partition in sorted(plan.starts)
        ],
    }


def print_plan(plan: Plan, console: Console) -> None:
    """A line per partition, and the sum."""
    for partition in sorted(plan.starts):
        start, end = plan.starts[partition], plan.ends[partition]
        console.print(
            f"{partition.topic}/{partition.partition}: {start:,} to {end:,} ({end - start:,})",
            highlight=False,
            soft_wrap=True,
        )
    kept = "; older rows are kept" if plan.keeps_older else ""
    console.print(f"would read {plan.records:,} records{kept}", highlight=False, soft_wrap=True)
