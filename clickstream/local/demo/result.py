"""Everything a demo has found out, and whether it is as promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clickstream.local.demo.latency import Percentiles
from clickstream.local.demo.reconciliation import Comparison, Row
from clickstream.local.demo.simulator import Json
from clickstream.local.demo.verification import Relevant


@dataclass(frozen=True, slots=True)
class MarkEffect:
    """What analytics count of this run before and after one session was marked irrelevant."""

    session_id: str
    before: Relevant
    after: Relevant

    @property
    def as_promised(self) -> bool:
        return self.after.sessions == self.before.sessions - 1


@dataclass(frozen=True, slots=True)
class DemoResult:
    """One run. `relevant` holds the same count by three ways: ledger, API, SQL.

    `example` is a session that was read back, `mark` what marking it did; None when none was.
    """

    run_id: str
    rows: Sequence[Row]
    relevant: Mapping[str, Relevant]
    api: Comparison
    sql: Comparison
    unanswered: int
    refused: Sequence[str]
    retries: int
    seconds: float
    freshness: Mapping[str, Percentiles]
    example: Json | None
    mark: MarkEffect | None

    @property
    def missing(self) -> int:
        """Acknowledged, and not readable by the API or not by SQL."""
        return len({*self.api.missing, *self.sql.missing})

    @property
    def duplicated(self) -> int:
        return len({*self.api.duplicated, *self.sql.duplicated})

    @property
    def altered(self) -> int:
        return len({*self.api.altered, *self.sql.altered})

    @property
    def counts_agree(self) -> bool:
        return len(set(self.relevant.values())) == 1

    @property
    def passed(self) -> bool:
        """Nothing missing, duplicated, altered, refused or unanswered; all counts are right."""
        return (
            self.api.passed
            and self.sql.passed
            and self.counts_agree
            and self.mark is not None
            and self.mark.as_promised
            and not self.refused
            and not self.unanswered
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "run_id": self.run_id,
            "rows": {
                row.label: {
                    kind: count
                    for kind in ("sessions", "events", "marks")
                    if (count := getattr(row, kind)) is not None
                }
                for row in self.rows
            },
            "missing": self.missing,
            "duplicated": self.duplicated,
            "altered": self.altered,
            "unanswered": self.unanswered,
            "refused": list(self.refused),
            "retries": self.retries,
            "relevant": {way: asdict(count) for way, count in self.relevant.items()},
            "freshness": {what: asdict(times) for what, times in self.freshness.items()},
            "mark": self.mark and asdict(self.mark),
            "seconds": round(self.seconds, 1),
            "example": self.example,
        }
