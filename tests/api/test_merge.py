"""Two sorted streams become sessions with their events, wherever the blocks were cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from api.merge import merge_by_session
from api.queries import EventRow, SessionRow

Row = TypeVar("Row")
IDS = st.text(alphabet="ab\0é😀", max_size=2)


def session(session_id: str) -> SessionRow:
    return SessionRow(session_id, "q", [], [], [], None, None, None, None, 0, "2023-11-15")


def event(session_id: str, event_id: int) -> EventRow:
    return EventRow(session_id, str(event_id), "a", "click", 1, None, 0, event_id)


async def in_blocks(rows: Sequence[Row], cuts: Sequence[int]) -> AsyncIterator[list[Row]]:
    """`rows`, cut after as many as `cuts` say; the rest in one block."""
    at = 0
    for cut in [*cuts, len(rows)]:
        block = list(rows[at : at + cut])
        at += cut
        if block:
            yield block


@given(
    shown=st.sets(IDS),
    done=st.lists(IDS),
    session_cuts=st.lists(st.integers(1, 3)),
    event_cuts=st.lists(st.integers(1, 3)),
)
def test_each_session_has_exactly_its_own_events(
    shown: set[str], done: list[str], session_cuts: list[int], event_cuts: list[int]
) -> None:
    by_bytes = sorted(shown, key=str.encode)
    events = [event(session_id, n) for n, session_id in enumerate(sorted(done, key=str.encode))]

    async def merged() -> list[tuple[str, list[str]]]:
        streams = (
            in_blocks([session(session_id) for session_id in by_bytes], session_cuts),
            in_blocks(events, event_cuts),
        )
        return [
            (row.session_id, [each.event_id for each in its_events])
            async for block in merge_by_session(*streams)
            for row, its_events in block
        ]

    assert asyncio.run(merged()) == [
        (session_id, [each.event_id for each in events if each.session_id == session_id])
        for session_id in by_bytes
    ]
