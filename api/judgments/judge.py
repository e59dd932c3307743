"""Counts from ClickHouse → what positions do to clicks, and what each pair is worth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import msgspec
import numpy as np

from api.judgments.cells import Cells, Floats
from api.judgments.examination import Examination, NotIdentifiable, examination
from api.judgments.grades import grades
from api.judgments.interventions import from_shuffled_lists, from_swaps
from api.judgments.pairs import coec, ctr, expected_clicks, pbm
from api.judgments.question import Estimator, Population, PropensityEstimator, Question
from api.judgments.responses import Averages, Judgment
from api.judgments.sql import MovingRow, PairRow, PositionRow, moving_pairs, pairs, position_counts
from api.lines import whole_lines
from api.metrics.parameters import refusal
from api.metrics.question import Filters
from api.metrics.runner import Runner
from api.metrics.sql import Statement
from api.queries import FIRST_BYTE_SECONDS, FULL_SCAN, Query
from api.store import Store

SAMPLE_IMPRESSIONS: Final = 2_000_000
"""That examination is estimated from, about: two hundred thousand lists of ten tell it to within a
hundredth, and the counts of as many impressions at most are held in memory."""

_STREAM_SETTINGS: Final = {**FULL_SCAN, "max_bytes_before_external_sort": 300_000_000}

T = TypeVar("T", MovingRow, PairRow)


@dataclass(frozen=True, slots=True)
class PositionEffects:
    """Of a population. Element 0 of an array is position 1."""

    impressions: Floats
    clicks: Floats
    examination: Examination | None
    refused: str | None
    """Why there is no examination."""
    sample: int
    """One in so many queries was looked at for the examination."""

    @property
    def rates(self) -> Floats:
        """Clicks / impressions of each position; 0 where nothing was shown."""
        return self.clicks / np.maximum(self.impressions, 1)

    @property
    def averages(self) -> Averages:
        """Each estimate of all impressions together."""
        shown, clicked = float(self.impressions.sum()), float(self.clicks.sum())
        average = clicked / shown if shown else None
        if self.examination is None:
            return Averages(average, 1.0, None)
        theta = self.examination.values
        known = np.isfinite(theta)
        examined = float((self.impressions[: len(theta)] * np.nan_to_num(theta)).sum())
        attracted = float(self.clicks[: len(theta)][known].sum())
        return Averages(average, 1.0, attracted / examined if examined else None)


class Judge:
    """One per process. Raises SinkUnavailable; QuestionTooLarge when ClickHouse cuts it off."""

    def __init__(self, store: Store, seconds: float) -> None:
        self._store = store
        self._runner = Runner(store, seconds)

    async def as_of(self) -> int | None:
        """Up to when the numbers are whole; read it before them."""
        return await self._runner.as_of()

    async def effects(
        self, population: Population, estimator: PropensityEstimator = PropensityEstimator.EM
    ) -> PositionEffects:
        """What the positions of a population do to clicks."""
        found = await self._runner.rows(position_counts(population), PositionRow)
        depth = found[-1].position if found else 0
        impressions, clicks = np.zeros(depth), np.zeros(depth)
        for row in found:
            impressions[row.position - 1] = row.impressions
            clicks[row.position - 1] = row.gains / population.weight
        sample = 1 + int(impressions.sum()) // SAMPLE_IMPRESSIONS
        refused, estimated = None, None
        try:
            if estimator is PropensityEstimator.SHUFFLED:
                sample = 1
                at = np.arange(1, depth + 1)[impressions > 0]
                cells = Cells.of(at * 0, at, impressions[at - 1], clicks[at - 1])
                estimated = from_shuffled_lists(cells)
            else:
                rows = await self._runner.rows(moving_pairs(population, sample), MovingRow)
                cells = cells_of(rows, population)
                method = examination if estimator is PropensityEstimator.EM else from_swaps
                estimated = await asyncio.to_thread(method, cells)
        except NotIdentifiable as error:
            refused = str(error)
        return PositionEffects(impressions, clicks, estimated, refused, sample)

    async def effects_for(self, question: Question) -> PositionEffects:
        """Of the question's range without its filters.

        Raises InvalidRequest when what it grades by cannot be told.
        """
        effects = await self.effects(replace(question.population, filters=Filters()))
        if question.estimator is Estimator.PBM and effects.refused is not None:
            raise refusal("estimator", f"pbm has no answer: {effects.refused}")
        return effects

    async def page(
        self,
        question: Question,
        effects: PositionEffects,
        after: str,
        limit: int,
    ) -> tuple[list[Judgment], list[str]]:
        """Judgments of up to `limit` pairs behind the place `after`, and the place of each."""
        found = await self._runner.rows(pairs(question, after, limit), PairRow)
        return judgments(found, question, effects), [row.place for row in found]

    async def all(
        self, question: Question, effects: PositionEffects
    ) -> AsyncGenerator[list[Judgment], None]:
        """Those of all pairs, by query and object, some at a time."""
        asked: Statement = pairs(question)
        query = Query("judgments", bytes, _STREAM_SETTINGS, asked.sql, FIRST_BYTE_SECONDS)
        decoder = msgspec.json.Decoder(PairRow)
        async with (
            self._store.file(query, "JSONEachRow", **asked.values) as chunks,
            aclosing(whole_lines(chunks)) as pieces,
        ):
            async for piece in pieces:
                yield judgments(decoder.decode_lines(piece), question, effects)


def cells_of(rows: Sequence[T], population: Population) -> Cells:
    """The pairs are numbered in the order of the rows."""
    lengths = np.fromiter((len(row.positions) for row in rows), np.int64, len(rows))
    total = int(lengths.sum())
    return Cells(
        np.repeat(np.arange(len(rows)), lengths),
        np.fromiter((each for row in rows for each in row.positions), np.int64, total),
        np.fromiter((each for row in rows for each in row.impressions), np.float64, total),
        np.fromiter((each for row in rows for each in row.gains), np.float64, total)
        / population.weight,
    )


def judgments(
    rows: Sequence[PairRow], question: Question, effects: PositionEffects
) -> list[Judgment]:
    """One of each row."""
    if not rows:
        return []
    cells = cells_of(rows, question.population)
    rates = _as_deep_as(effects.rates, cells, 0.0)
    theta = np.full(cells.depth, np.nan)
    if effects.examination is not None:
        theta = _as_deep_as(effects.examination.values, cells, np.nan)
    estimates = {
        Estimator.CTR: ctr(cells),
        Estimator.COEC: coec(cells, rates),
        Estimator.PBM: pbm(cells, theta),
    }
    averages = effects.averages
    average = {
        Estimator.CTR: averages.ctr, Estimator.COEC: averages.coec, Estimator.PBM: averages.pbm
    }[question.estimator]  # fmt: skip
    graded = grades(estimates[question.estimator].values, average or 0.0, question.cut_points)
    columns: dict[str, list[float | None]] = {}
    for name, estimate in estimates.items():
        columns[name.value] = _numbers(estimate.values)
        columns[f"{name.value}_low"] = _numbers(estimate.low)
        columns[f"{name.value}_high"] = _numbers(estimate.high)
    impressions = cells.of_pairs(cells.impressions)
    clicks = cells.of_pairs(cells.clicks)
    expected = expected_clicks(cells, rates)
    return [
        Judgment(
            search_query=row.search_query,
            object_id=row.object_id,
            by_value=row.by_value,
            impressions=int(impressions[number]),
            clicks=float(clicks[number]),
            expected_clicks=float(expected[number]),
            **{name: column[number] for name, column in columns.items()},
            grade=int(graded[number]) if graded[number] >= 0 else None,
            positions_seen=len(row.positions),
            highest_position=row.positions[0],
            lowest_position=row.positions[-1],
            first_seen_ms=row.first_seen_ms,
            last_seen_ms=row.last_seen_ms,
        )
        for number, row in enumerate(rows)
    ]


def _as_deep_as(values: Floats, cells: Cells, missing: float) -> Floats:
    """At least as many positions as the cells have: rows may come while two questions are asked."""
    return np.concatenate([values, np.full(max(0, cells.depth - len(values)), missing)])


def _numbers(values: Floats) -> list[float | None]:
    return [each if each == each else None for each in values.tolist()]
