"""Rows of ClickHouse: all of them, or an error."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from api.queries import DayRow, Query
from api.store import ClickHouseStore
from core.errors import SinkUnavailable

if TYPE_CHECKING:
    from core.settings import Settings


class _Broken(Query[DayRow]):
    """Gives more than a megabyte, which ClickHouse sends at once, and fails then."""

    sql = """
        SELECT toString(number) AS day FROM numbers(1000000)
        WHERE throwIf(number = 500000, 'broken on purpose') = 0
        SETTINGS max_block_size = 1000
    """


@pytest.mark.engines
def test_an_error_behind_the_first_rows_of_an_answer_is_no_answer(read_settings: Settings) -> None:
    async def ask() -> None:
        store = ClickHouseStore(read_settings)
        try:
            await store.rows(_Broken("broken", DayRow), 30)
        finally:
            await store.close()

    with pytest.raises(SinkUnavailable):
        asyncio.run(ask())
