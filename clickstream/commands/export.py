"""`clickstream export`: sessions or events into a file, straight from ClickHouse."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from api.selection import Selection
    from api.store import Store
    from core.settings import Settings


class What(StrEnum):
    """What the file holds."""

    SESSIONS = "sessions"
    EVENTS = "events"


class As(StrEnum):
    """How it is written."""

    PARQUET = "parquet"
    ARROW = "arrow"
    NDJSON = "ndjson"


def command(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file; replaced once the export is whole.")
    ],
    what: Annotated[What, typer.Argument(help="sessions or events")] = What.SESSIONS,
    format: Annotated[
        As, typer.Option(help="As ndjson, sessions carry their events.")
    ] = As.PARQUET,
    start: Annotated[
        str, typer.Option("--from", help="Sessions created at this time or later; as over HTTP.")
    ] = "",
    end: Annotated[str, typer.Option("--to", help="Sessions created before this time.")] = "",
    relevance: Annotated[
        str, typer.Option(help="exclude, include or only: sessions marked irrelevant")
    ] = "exclude",
) -> None:
    """Write all sessions that count, or their events, into a file.

    The columns are those of GET /export/sessions and GET /export/events: docs/metrics.md.
    """
    from api.selection import Relevance, selection
    from clickstream.local.target_settings import operator_settings

    if what is What.EVENTS and format is As.NDJSON:
        raise typer.BadParameter("as ndjson, events come with their sessions: export sessions")
    if relevance not in list(Relevance):
        raise typer.BadParameter(f"{relevance!r} is none of exclude, include and only")
    chosen = selection(start, end, Relevance(relevance))
    written = asyncio.run(_export(operator_settings(), chosen, what, format, output))
    print(f"{output}: {written:,} bytes")


async def _export(
    settings: Settings, chosen: Selection, what: What, format: As, output: Path
) -> int:
    """How many bytes were written. What breaks off leaves no file behind, and the old one there."""
    from api.store import ClickHouseStore

    store = ClickHouseStore(settings)
    partial = output.with_name(f"{output.name}.part")
    try:
        with partial.open("wb") as file:
            async for chunk in await _chunks(settings, store, chosen, what, format):
                file.write(chunk)
            written = file.tell()
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
        await store.close()
    return written


async def _chunks(
    settings: Settings, store: Store, chosen: Selection, what: What, format: As
) -> AsyncGenerator[bytes, None]:
    from api.export import ndjson
    from api.queries import EXPORT_DAYS, EXPORT_EVENTS_TABLE, EXPORT_SESSIONS_TABLE
    from api.tables import ARROW, PARQUET, table

    alone = asyncio.Semaphore(1)
    if format is As.NDJSON:
        days = await store.rows(EXPORT_DAYS, settings.reads.query_seconds, **chosen.values())
        return ndjson(store, chosen, [row.day for row in days], alone, with_events=True)
    query = EXPORT_SESSIONS_TABLE if what is What.SESSIONS else EXPORT_EVENTS_TABLE
    return table(store, query, chosen, ARROW if format is As.ARROW else PARQUET, alone)
