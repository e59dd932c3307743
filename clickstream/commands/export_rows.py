"""`clickstream export sessions`, `events` and `removals`: what the routes of these names answer."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clickstream.commands.output_files import replaced_when_whole

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from api.covered import Covered
    from api.metrics.question import Filters
    from api.selection import Selection
    from api.store import Store
    from core.settings import Settings


@dataclass(frozen=True, slots=True)
class RowOptions:
    """As they were typed."""

    dataset: str
    format: str
    compression: str = "none"
    received_after: str = ""
    received_until: str = ""


def export_rows(
    settings: Settings,
    selection: Selection,
    filters: Filters,
    options: RowOptions,
    output: Path,
) -> str:
    """The watermark of the file that was written; one that fails leaves the old one as it was.

    Raises InvalidRequest for an option that the route refuses.
    """
    return asyncio.run(_export(settings, selection, filters, options, output))


async def _export(
    settings: Settings,
    selection: Selection,
    filters: Filters,
    options: RowOptions,
    output: Path,
) -> str:
    from api.compression import Compression, compressed
    from api.covered import Covered
    from api.store import ClickHouseStore
    from api.watermark import Watermarks, write_token

    store = ClickHouseStore(settings)
    try:
        watermarks = Watermarks(store, settings)
        cut, reached = await watermarks.cut(options.received_after, options.received_until)
        pieces = _pieces(store, Covered(selection, cut, filters), options, settings)
        file_pieces = compressed(pieces, Compression(options.compression))
        with replaced_when_whole(output) as (file,):
            async with aclosing(file_pieces):
                async for piece in file_pieces:
                    file.write(piece)
    finally:
        await store.close()
    return write_token(reached)


def _pieces(
    store: Store, covered: Covered, options: RowOptions, settings: Settings
) -> AsyncGenerator[bytes, None]:
    from api.lines import export_lines
    from api.queries import EXPORT_EVENTS_TABLE, EXPORT_REMOVALS, EXPORT_SESSIONS_TABLE
    from api.tables import BY_NAME, stream_table
    from core.errors import FieldError, InvalidRequest

    one_at_a_time = asyncio.Semaphore(1)
    if options.dataset == "sessions" and options.format == "ndjson":
        seconds = settings.reads.query_seconds
        return export_lines(store, covered, one_at_a_time, with_events=True, seconds=seconds)
    if options.dataset == "removals":
        if covered.cut is None or covered.cut.after is None:
            raise InvalidRequest([FieldError("received_after", "is needed: removed since when?")])
        query = covered.removals(EXPORT_REMOVALS)
    elif options.dataset == "events":
        query = covered.events_table(EXPORT_EVENTS_TABLE)
    else:
        query = covered.sessions_table(EXPORT_SESSIONS_TABLE)
    format = BY_NAME[options.format]
    return stream_table(store, query, covered.values(), format, one_at_a_time)
