"""What is asked for → the body of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from fastapi.responses import StreamingResponse

from api.judgments.asked import AskedJudgments, AskedPropensities
from api.judgments.formats import MEDIA_TYPES, WRITERS, JudgmentFormat
from api.judgments.judge import Judge
from api.judgments.propensities import propensity_rows
from api.judgments.question import Question
from api.judgments.responses import Judgments, Propensities
from api.metrics.cursors import Place, read_cursor, write_cursor
from api.metrics.parameters import refusal
from api.streams import start_stream
from core.errors import TooManyExports

MOST_FILES: Final = 2
"""At a time. Each is a question about all impressions of its range."""


async def judgments_page(judge: Judge, asked: AskedJudgments, cursor: str, limit: int) -> Judgments:
    """Up to `limit` judgments behind the cursor. Raises InvalidRequest for one that is none."""
    question = asked.question
    behind = read_cursor(cursor, question)
    as_of = await judge.as_of()
    effects = await judge.effects_for(question)
    after = "" if behind is None else behind.text
    found, places = await judge.page(question, effects, after, limit + 1)
    last = Place(None, None, places[limit - 1]) if len(found) > limit else None
    return Judgments(
        range=asked.range,
        as_of=as_of,
        estimator=question.estimator.value,
        cut_points=list(question.cut_points),
        averages=effects.averages,
        min_impressions=question.min_impressions,
        depth=question.population.depth,
        impressions=int(effects.impressions.sum()),
        clicks=float(effects.clicks.sum()),
        pbm_refused=effects.refused,
        judgments=found[:limit],
        next=None if last is None else write_cursor(question, last),
    )


class JudgmentFiles:
    """One per process: writes some files at a time."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._slots = asyncio.Semaphore(MOST_FILES)

    async def respond(self, question: Question, format: JudgmentFormat) -> StreamingResponse:
        """All judgments. Raises TooManyExports, and what the first of them raise."""
        if self._slots.locked():
            raise TooManyExports("too many judgments are made: try again later", retry_after=30)
        return await start_stream(self._file(question, format), MEDIA_TYPES[format])

    async def _file(
        self, question: Question, format: JudgmentFormat
    ) -> AsyncGenerator[bytes, None]:
        async with self._slots:
            effects = await self._judge.effects_for(question)
            async with (
                aclosing(self._judge.all(question, effects)) as batches,
                aclosing(WRITERS[format](batches)) as parts,
            ):
                async for part in parts:
                    if part:
                        yield part


async def propensities_of(judge: Judge, asked: AskedPropensities) -> Propensities:
    """Raises InvalidRequest, with the reason, where the searches do not tell."""
    as_of = await judge.as_of()
    effects = await judge.effects(asked.population, asked.estimator)
    if effects.examination is None:
        why = f"{asked.estimator.value} has no answer: {effects.refused}"
        raise refusal("estimator", why)
    return Propensities(
        range=asked.range,
        as_of=as_of,
        estimator=asked.estimator.value,
        reference=effects.examination.reference,
        moving_pairs=effects.examination.moving_pairs,
        sample=effects.sample,
        rounds=effects.examination.rounds,
        propensities=propensity_rows(effects),
    )
