"""Findings for a person, and for a machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clickstream.operations.doctor.result import CheckResult, Status, healthy

_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}


def as_json(findings: Sequence[CheckResult]) -> str:
    """One line: `{"healthy": …, "checks": [{name, status, seen, advice}, …]}`."""
    return json.dumps(
        {"healthy": healthy(findings), "checks": [asdict(finding) for finding in findings]}
    )


def print_table(findings: Sequence[CheckResult], console: Console) -> None:
    """One row a check; the advice below what was seen; a last line with the verdict."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        colour = _COLOURS[finding.status]
        text = escape(finding.seen) + (f"\n→ {escape(finding.advice)}" if finding.advice else "")
        table.add_row(f"[{colour}]{finding.status}[/]", finding.name, text)
    console.print(table)
    culprits = [finding.name for finding in findings if finding.status is Status.FAIL]
    console.print(
        f"[bold red]not healthy: {', '.join(culprits)}[/]" if culprits else "[green]healthy[/]"
    )
