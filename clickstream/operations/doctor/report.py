"""The results as a table, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clickstream.operations.doctor.result import CheckResult, Status, healthy

_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}


def as_json(results: Sequence[CheckResult]) -> str:
    """One line: `{"healthy": …, "checks": [{name, status, detail, remedy}, …]}`."""
    return json.dumps(
        {"healthy": healthy(results), "checks": [asdict(result) for result in results]}
    )


def print_table(results: Sequence[CheckResult], console: Console) -> None:
    """One row a check, with the remedy below the detail; the last line sums up."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for result in results:
        colour = _COLOURS[result.status]
        text = escape(result.detail) + (f"\n→ {escape(result.remedy)}" if result.remedy else "")
        table.add_row(f"[{colour}]{result.status}[/]", result.name, text)
    console.print(table)
    failed = [result.name for result in results if result.status is Status.FAIL]
    console.print(
        f"[bold red]not healthy: {', '.join(failed)}[/]" if failed else "[green]healthy[/]"
    )
