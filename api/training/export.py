"""Lists from ClickHouse → the bytes of a training file, in constant memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

import msgspec
import numpy as np

from api.judgments.judge import Judge
from api.judgments.question import Population, Weight
from api.lines import whole_lines
from api.metrics.runner import Runner
from api.metrics.sql import Statement
from api.queries import FIRST_BYTE_SECONDS, FULL_SCAN, Query
from api.store import Store
from api.tables import PARQUET, require_trailer
from api.training.clax import clax_pairs, clax_sessions
from api.training.formats import WRITTEN_BY_CLICKHOUSE, TrainingFormat, written
from api.training.question import Lists, SplitBy
from api.training.sql import (
    AccountRow,
    BoundRow,
    ListRow,
    account,
    bounds,
    lists_in_order,
    long_table,
)

_SETTINGS: Final = {
    **FULL_SCAN,
    "max_bytes_before_external_sort": 300_000_000,
    "join_algorithm": "grace_hash",
}
XGBOOST_POSITIONS: Final = 32


class Account(msgspec.Struct, frozen=True):
    """What a file has, what was left out and why, and what trainers will not take."""

    lists: int
    rows: int
    clicked_lists: int
    clicks: int
    longest_list: int
    splits: dict[str, int]
    left_out: dict[str, int]
    in_several_splits: dict[str, int]
    propensities: list[float | None]
    propensities_refused: str | None
    warnings: list[str]


class TrainingExport:
    """One per process. Raises SinkUnavailable; QuestionTooLarge when ClickHouse cuts it off."""

    def __init__(self, store: Store, seconds: float) -> None:
        self._store = store
        self._runner = Runner(store, seconds)
        self._judge = Judge(store, seconds)

    async def account(self, lists: Lists) -> Account:
        """Of all splits together."""
        propensities, refused = await self._propensities(lists)
        (row,) = await self._runner.rows(account(lists, await self._bound(lists)), AccountRow)
        return Account(
            lists=row.lists,
            rows=row.rows,
            clicked_lists=row.clicked_lists,
            clicks=row.clicks,
            longest_list=row.longest_list,
            splits={
                "train": row.train_lists,
                "validation": row.validation_lists,
                "test": row.test_lists,
            },
            left_out={
                "irrelevant": 0 if lists.relevance == "include" else row.irrelevant_sessions,
                "without_results": row.empty_lists,
                "longer_than_10000": row.long_lists,
            },
            in_several_splits={
                "users": row.users_in_several_splits,
                "queries": row.queries_in_several_splits,
            },
            propensities=list(propensities),
            propensities_refused=refused,
            warnings=_warnings(row),
        )

    async def file(self, lists: Lists, format: TrainingFormat) -> AsyncGenerator[bytes, None]:
        """The bytes of a file, in pieces."""
        bound = await self._bound(lists)
        needs_propensities = format in (TrainingFormat.PARQUET, TrainingFormat.CSV)
        propensities, _ = await self._propensities(lists) if needs_propensities else ([], None)
        if format in WRITTEN_BY_CLICKHOUSE:
            asked = _asked(lists, bound, propensities, format)
            query = Query("training", bytes, _SETTINGS, asked.sql, FIRST_BYTE_SECONDS)
            async with self._store.file(query, PARQUET.clickhouse, **asked.values) as chunks:
                async for chunk in require_trailer(chunks, PARQUET):
                    yield chunk
            return
        async with (
            aclosing(self._rows(lists, bound)) as batches,
            aclosing(written(format, lists, propensities, batches)) as parts,
        ):
            async for part in parts:
                yield part

    async def _rows(self, lists: Lists, bound: BoundRow) -> AsyncGenerator[list[ListRow], None]:
        asked = lists_in_order(lists, bound)
        query = Query("training", bytes, _SETTINGS, asked.sql, FIRST_BYTE_SECONDS)
        decoder = msgspec.json.Decoder(ListRow)
        async with (
            self._store.file(query, "JSONEachRow", **asked.values) as chunks,
            aclosing(whole_lines(chunks)) as pieces,
        ):
            async for piece in pieces:
                yield decoder.decode_lines(piece)

    async def _bound(self, lists: Lists) -> BoundRow:
        if lists.split_by is not SplitBy.TIME:
            return BoundRow(0, 0)
        (row,) = await self._runner.rows(bounds(lists), BoundRow)
        return row

    async def _propensities(self, lists: Lists) -> tuple[Sequence[float | None], str | None]:
        """Of the whole range, whatever is filtered, as judgments have them."""
        population = Population(lists.times, lists.relevance, [Weight(lists.event_type, 1)])
        effects = await self._judge.effects(population)
        if effects.examination is None:
            return [], effects.refused
        values = effects.examination.values
        return [float(each) if np.isfinite(each) else None for each in values], None


def _asked(
    lists: Lists, bound: BoundRow, propensities: Sequence[float | None], format: TrainingFormat
) -> Statement:
    if format is TrainingFormat.CLAX:
        return clax_sessions(lists, bound)
    if format is TrainingFormat.CLAX_PAIRS:
        return clax_pairs(lists, bound)
    return long_table(lists, bound, propensities)


def _warnings(row: AccountRow) -> list[str]:
    warnings = []
    if row.longest_list > XGBOOST_POSITIONS:
        warnings.append(
            f"the longest list has {row.longest_list} results: XGBoost's lambdarank_unbiased "
            f"tracks {XGBOOST_POSITIONS} positions"
        )
    if row.long_lists:
        warnings.append("lists of more than 10,000 results are left out: LightGBM takes none")
    if row.lists and not row.clicks:
        warnings.append("no result has a click: every label is 0")
    if row.lists and not all((row.train_lists, row.validation_lists, row.test_lists)):
        warnings.append("a split is empty")
    return warnings
