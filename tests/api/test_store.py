"""Rows out of a stream of bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.queries import DayRow, Query
from api.store import ClickHouseStore, decode_rows
from core.errors import SinkUnavailable

if TYPE_CHECKING:
    from core.settings import Settings

DECODER = msgspec.json.Decoder(DayRow)


async def chunks_of(content: bytes, cuts: Sequence[int]) -> AsyncIterator[bytes]:
    at = 0
    for cut in [*cuts, len(content)]:
        yield content[at : at + cut]
        at += cut


def read(content: bytes, cuts: Sequence[int] = ()) -> list[DayRow]:
    async def rows() -> list[DayRow]:
        return [
            row async for block in decode_rows(chunks_of(content, cuts), DECODER) for row in block
        ]

    return asyncio.run(rows())


@given(
    days=st.lists(st.text()), cuts=st.lists(st.integers(0, 9)), ends_with_a_newline=st.booleans()
)
def test_rows_survive_however_the_network_cuts_them(
    days: list[str], cuts: list[int], ends_with_a_newline: bool
) -> None:
    content = msgspec.json.Encoder().encode_lines([DayRow(day) for day in days])
    rows = read(content if ends_with_a_newline else content.rstrip(b"\n"), cuts)
    assert [row.day for row in rows] == days


def test_many_rows_come_in_small_blocks() -> None:
    content = b'{"day":"d"}\n' * 1_000

    async def sizes() -> list[int]:
        return [len(block) async for block in decode_rows(chunks_of(content, ()), DECODER)]

    blocks = asyncio.run(sizes())
    assert sum(blocks) == 1_000
    assert max(blocks) <= 250


@pytest.mark.parametrize("end", [b"__exception__\r\nCode: 241", b'{"day":', b'{"day":"d"'])
def test_answer_that_breaks_off_is_not_taken_for_a_whole_one(end: bytes) -> None:
    with pytest.raises(SinkUnavailable):
        read(b'{"day":"d"}\n' + end)


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
