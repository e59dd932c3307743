"""One line for each test, and the table of them at the end of the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.lab.ledger import Verdict
from tests.faults.lab.traffic import Traffic

_HEADS = "Fault | Times | Events acknowledged | Lost | Duplicated | Worst recovery | Also"


@dataclass(frozen=True)
class _Row:
    fault: str
    times: int
    events: int
    lost: int
    duplicated: int
    recovery: str
    notes: str


class Table:
    """What each fault, struck so often under load, has done."""

    def __init__(self) -> None:
        self._rows: list[_Row] = []

    def add(
        self,
        fault: str,
        times: int,
        traffic: Traffic,
        verdict: Verdict,
        recovery_seconds: float | None = None,
        notes: str = "",
    ) -> None:
        """`times` is how often it struck; the recovery is the worst, None where there is none."""
        recovery = "" if recovery_seconds is None else f"{recovery_seconds:.1f} s"
        events, lost, doubled = len(traffic.ledger.events), verdict.lost, verdict.duplicated
        self._rows.append(_Row(fault, times, events, lost, doubled, recovery, notes))

    def lines(self) -> Iterator[str]:
        """As Markdown, to be pasted into docs/faults.md; nothing when nothing was added."""
        if self._rows:
            yield f"| {_HEADS} |"
            yield "|---|---|---|---|---|---|---|"
        for row in self._rows:
            yield (
                f"| {row.fault} | {row.times} | {row.events:,} | {row.lost} | {row.duplicated} |"
                f" {row.recovery} | {row.notes} |"
            )
