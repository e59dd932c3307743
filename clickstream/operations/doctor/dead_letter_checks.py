"""Is there something that could not be processed, and that nobody has looked after?"""

from __future__ import annotations

from clickstream.operations.doctor.clients import ClickHouseView
from clickstream.operations.doctor.result import Verdict, ok, warn


def check_dead_letters(clickhouse: ClickHouseView) -> Verdict:
    """No record is set aside as unprocessable and still waits for somebody."""
    letters = clickhouse.dead_letters()
    if not letters:
        return ok("none")
    worst = max(letters, key=lambda reason: letters[reason])
    return warn(
        ", ".join(f"{count} {reason}" for reason, count in letters.items()),
        f"run `clickstream dlq list --reason {worst}`, then `clickstream dlq show NAME`, which says"
        " what to do",
    )
