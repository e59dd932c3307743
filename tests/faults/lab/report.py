"""One line for each test, and the table of them at the end of the run."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.lab.ledger import Verdict
from tests.faults.lab.traffic import Traffic

HEAD = (
    "| Fault | Times | Events acknowledged | Lost | Duplicated | Worst recovery | Also |",
    "|---|---|---|---|---|---|---|",
)


class Table:
    """What each fault, struck so often under load, has done: Markdown for docs/faults.md."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """`write` keeps a line."""
        self._write = write

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
        self._write(
            f"| {fault} | {times} | {len(traffic.ledger.events):,} | {verdict.lost} |"
            f" {verdict.duplicated} | {recovery} | {notes} |"
        )
