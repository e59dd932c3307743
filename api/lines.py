"""NDJSON: ClickHouse writes the lines, this process checks that they are lines and passes them on.

A line is what GET /session returns (`assemble.py`); `sql/export_lines.sql` says it once more. It is
written portion by portion, so that the events of one portion alone are in ClickHouse's memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from itertools import pairwise
from typing import Final

from api.queries import EXPORT_DAYS, EXPORT_LINES, EXPORT_PORTIONS
from api.selection import Selection
from api.store import Store
from core.errors import SinkUnavailable, TooManyExports

# A column of texts as it is: no quotes, no escapes.
_FORMAT: Final = "LineAsString"
# No id is empty.
_OPEN: Final = ""
# Sessions of a portion: with eight events each, ClickHouse holds some 20 MB of their text.
PORTION_SESSIONS: Final = 10_000


async def export_lines(
    store: Store,
    selection: Selection,
    slots: asyncio.Semaphore,
    *,
    with_events: bool,
    seconds: float,
) -> AsyncGenerator[bytes, None]:
    """The lines of all selected sessions, in pieces of whole lines; in no order.

    Raises TooManyExports at the first step when no slot is free, SinkUnavailable when ClickHouse
    stops answering, or does not tell within `seconds` which partitions and portions there are.
    """
    if slots.locked():
        raise TooManyExports("too many exports are running: try again later", retry_after=30)
    values = {**selection.parameters(), "with_events": int(with_events)}
    async with slots:
        for day in await store.rows(EXPORT_DAYS, seconds, **values):
            values["session_day"] = day.day
            portions = await store.rows(
                EXPORT_PORTIONS, seconds, **values, sessions=PORTION_SESSIONS
            )
            ends = [_OPEN, *(portion.last_id for portion in portions), _OPEN]
            for after, up_to in pairwise(ends):
                lines = store.file(EXPORT_LINES, _FORMAT, **values, after=after, up_to=up_to)
                async with lines as chunks, aclosing(whole_lines(chunks)) as pieces:
                    async for piece in pieces:
                        yield piece


async def whole_lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The same bytes, cut behind lines. Raises SinkUnavailable for what is no JSON object.

    ClickHouse reports an error in mid-response as text in place of the rest.
    """
    rest = b""
    async for chunk in chunks:
        lines, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline:
            _check(lines)
            yield lines + newline
    if rest:
        raise SinkUnavailable(_BROKEN_OFF)


_BROKEN_OFF: Final = "ClickHouse broke off its answer: try again"


def _check(lines: bytes) -> None:
    """Every line begins and ends as an object does. JSON has no line break inside a text."""
    objects = lines.startswith(b"{") and lines.endswith(b"}")
    if not objects or lines.count(b"}\n{") != lines.count(b"\n"):
        raise SinkUnavailable(_BROKEN_OFF)
