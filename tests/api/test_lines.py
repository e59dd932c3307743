"""Lines out of a stream of bytes, wherever the network cuts it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.lines import whole_lines
from core.errors import SinkUnavailable

LINE = b'{"session_id":"}{"}\n'


def read(content: bytes, cuts: Sequence[int] = ()) -> list[bytes]:
    async def chunks() -> AsyncIterator[bytes]:
        at = 0
        for cut in [*cuts, len(content)]:
            yield content[at : at + cut]
            at += cut

    async def pieces() -> list[bytes]:
        return [piece async for piece in whole_lines(chunks())]

    return asyncio.run(pieces())


@given(lines=st.integers(0, 5), cuts=st.lists(st.integers(0, 30)))
def test_pieces_are_whole_lines_however_the_network_cuts_them(lines: int, cuts: list[int]) -> None:
    pieces = read(LINE * lines, cuts)
    assert b"".join(pieces) == LINE * lines
    assert all(len(piece) % len(LINE) == 0 for piece in pieces)


@pytest.mark.parametrize(
    "end",
    [
        b"__exception__\r\nCode: 241. DB::Exception: out of memory\r\n",
        b"Code: 241. DB::Exception: out of memory\n",
        b"\n",
        b'{"session_id":',
        b"{}",
    ],
)
@given(cuts=st.lists(st.integers(0, 30)))
def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(
    end: bytes, cuts: list[int]
) -> None:
    with pytest.raises(SinkUnavailable):
        read(LINE + end, cuts)
