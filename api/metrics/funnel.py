"""How many searches came how far."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from api.metrics.question import Question
from api.metrics.responses import Step
from api.metrics.runner import Runner
from api.metrics.sql import funnel_statement
from api.statistics.intervals import wilson


class ReachedRow(msgspec.Struct, frozen=True):
    """`reached`: searches with the first step; with the first two; and so on."""

    sessions: int
    reached: list[int]


async def funnel_steps(runner: Runner, question: Question, types: Sequence[str]) -> list[Step]:
    """All searches, then those that have events of each type and of all types before it, whichever
    of them came first."""
    (row,) = await runner.rows(funnel_statement(question, types), ReachedRow)
    counts = [row.sessions, *(row.reached or [0] * len(types))]
    steps = []
    for name, count, before in zip(
        ("search", *types), counts, (row.sessions, *counts), strict=False
    ):
        interval = wilson(count, row.sessions)
        steps.append(
            Step(
                name,
                count,
                count / row.sessions if row.sessions else None,
                None if interval is None else interval.low,
                None if interval is None else interval.high,
                count / before if before else None,
            )
        )
    return steps
