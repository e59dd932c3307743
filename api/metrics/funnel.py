"""How many searches came how far."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from api.metrics.question import Question
from api.metrics.responses import Step
from api.metrics.runner import Runner
from api.metrics.sql import Statement, range_values, rows_of, selected
from api.statistics.intervals import wilson
from api.store import Value


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


def funnel_statement(question: Question, steps: Sequence[str]) -> Statement:
    """One row: `sessions`, and of each step how many have it and all steps before it."""
    values: dict[str, Value] = {**range_values(question), "steps": list(steps)}
    source = rows_of(question, values)
    where = selected(question, values)
    return Statement(
        f"""
SELECT
    sum(sessions_of_set) AS sessions,
    sumForEach(arrayMap(
        number -> if(hasAll(types_of_set, arraySlice({{steps:Array(String)}}, 1, number)),
            sessions_of_set, 0),
        range(1, length({{steps:Array(String)}}) + 1))) AS reached
FROM
(
    -- There are few sets of types, and looking for a type is work.
    SELECT measures.event_types AS types_of_set, sum(measures.sessions) AS sessions_of_set
    FROM {source} AS measures
    WHERE {where}
    GROUP BY types_of_set
)
""",  # noqa: S608 - fragments of this module
        values,
    )
