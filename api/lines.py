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

from api.covered import Covered
from api.queries import EXPORT_CHANGED_DAYS, EXPORT_DAYS, EXPORT_LINES, EXPORT_PORTIONS, SESSION
from api.store import Store, Value
from core.errors import FieldError, InvalidRequest, SinkUnavailable, TooManyExports

# A column of texts as it is: no quotes, no escapes.
_FORMAT: Final = "LineAsString"
# No id is empty.
_OPEN: Final = ""
# Sessions of a portion: with eight events each, ClickHouse holds some 20 MB of their text.
PORTION_SESSIONS: Final = 10_000


async def export_lines(
    store: Store,
    covered: Covered,
    slots: asyncio.Semaphore,
    *,
    with_events: bool,
    seconds: float,
    behind: str = "",
) -> AsyncGenerator[bytes, None]:
    """The lines of all sessions that are covered, in pieces of whole lines.

    In no order; of an export at a watermark by day and id, and then only those behind the session
    `behind`, if it is named.

    Raises TooManyExports at the first step when no slot is free, SinkUnavailable when ClickHouse
    stops answering, or does not tell within `seconds` which partitions and portions there are, and
    InvalidRequest when there is no such session.
    """
    if slots.locked():
        raise TooManyExports("too many exports are running: try again later", retry_after=30)
    values: dict[str, Value] = {**covered.values(), "with_events": int(with_events)}
    lines = covered.lines(EXPORT_LINES, with_events=with_events)
    days = covered.changed_days(EXPORT_CHANGED_DAYS) if covered.is_change else EXPORT_DAYS
    portions = covered.lines(EXPORT_PORTIONS, with_events=with_events)
    async with slots:
        first = await _day_of(store, behind, seconds) if behind else ""
        for day in await store.rows(days, seconds, **values):
            if day.day < first:
                continue
            after = behind if day.day == first else _OPEN
            values["session_day"] = day.day
            cuts = await store.rows(
                portions, seconds, **values, after=after, sessions=PORTION_SESSIONS
            )
            ends = [after, *(portion.last_id for portion in cuts), _OPEN]
            for begin, up_to in pairwise(ends):
                file = store.file(lines, _FORMAT, **values, after=begin, up_to=up_to)
                async with file as chunks, aclosing(whole_lines(chunks)) as pieces:
                    async for piece in pieces:
                        yield piece


async def _day_of(store: Store, session_id: str, seconds: float) -> str:
    found = await store.rows(SESSION, seconds, session_ids=[session_id])
    if not found:
        message = "there is no such session, perhaps no longer: export without it"
        raise InvalidRequest([FieldError("query.behind", message)])
    return max(found, key=lambda row: row.version).day


async def whole_lines(
    chunks: AsyncIterator[bytes], brackets: bytes = b"{}"
) -> AsyncGenerator[bytes, None]:
    """The same bytes, cut behind lines. Raises SinkUnavailable for what is no JSON object, or is
    not between other `brackets`.

    ClickHouse reports an error in mid-response as text in place of the rest.
    """
    rest = b""
    async for chunk in chunks:
        lines, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline:
            _check(lines, brackets)
            yield lines + newline
    if rest:
        raise SinkUnavailable(_BROKEN_OFF)


_BROKEN_OFF: Final = "ClickHouse broke off its answer: try again"


def _check(lines: bytes, brackets: bytes) -> None:
    """Every line begins and ends as an object does. JSON has no line break inside a text."""
    opened, closed = brackets[:1], brackets[1:]
    are_whole = lines.startswith(opened) and lines.endswith(closed)
    if not are_whole or lines.count(closed + b"\n" + opened) != lines.count(b"\n"):
        raise SinkUnavailable(_BROKEN_OFF)
