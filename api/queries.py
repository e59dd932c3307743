"""The one home of the read side's SQL: each query is a file in `api/sql`, and the row it gives.

Values reach ClickHouse as bound parameters only (`{name:Type}` in the files).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Query(Generic[Row]):
    """A query: its name, which is its file's and its metric's, and the type of its rows."""

    name: str
    row: type[Row]

    @property
    def sql(self) -> str:
        return _SQL[self.name]


_SQL = {
    file.stem: file.read_text(encoding="utf-8")
    for file in (Path(__file__).parent / "sql").glob("*.sql")
}


class SessionRow(msgspec.Struct, frozen=True):
    """One search as stored. Metas and the like are JSON text."""

    session_id: str
    search_query: str
    object_ids: list[str]
    ranks: list[float | None]
    metas: list[str | None]
    search_meta: str | None
    payload_filter: str | None
    sort_by: str | None
    user_id: str | None
    created_at_ms: int
    day: str
    is_irrelevant: bool = False


class EventRow(msgspec.Struct, frozen=True):
    """One joined event as stored. `position` is 0 when the session never listed the object."""

    session_id: str
    event_id: str
    object_id: str
    event_type: str
    position: int
    meta: str | None
    created_at_ms: int
    kafka_offset: int


class MarkRow(msgspec.Struct, frozen=True):
    """The last word on a session."""

    is_irrelevant: bool


class DayRow(msgspec.Struct, frozen=True):
    """A partition, as `YYYY-MM-DD`."""

    day: str


class OverviewRow(msgspec.Struct, frozen=True):
    """What `overview.sql` counts; docs/metrics.md defines each."""

    sessions: int
    zero_result_sessions: int
    impressions: int
    users: int
    irrelevant_sessions: int
    events: int
    clicks: int
    unlisted_events: int
    sessions_with_click: int
    reciprocal_ranks: float
    unjoined_events: int
    dead_letters: int


class QueryRow(msgspec.Struct, frozen=True):
    """What `queries.sql` counts for one query text."""

    search_query: str
    sessions: int
    zero_result_sessions: int
    impressions: int
    clicks: int
    sessions_with_click: int
    reciprocal_ranks: float


class PositionRow(msgspec.Struct, frozen=True):
    """What `positions.sql` counts at one place of the list."""

    position: int
    impressions: int
    clicked_impressions: int


class TableRow(msgspec.Struct, frozen=True):
    """A table that `missing_tables.sql` did not find."""

    table: str


SESSION = Query("session", SessionRow)
SESSION_EVENTS = Query("session_events", EventRow)
SESSION_MARK = Query("session_mark", MarkRow)
EXPORT_DAYS = Query("export_days", DayRow)
EXPORT_SESSIONS = Query("export_sessions", SessionRow)
EXPORT_EVENTS = Query("export_events", EventRow)
OVERVIEW = Query("overview", OverviewRow)
QUERIES = Query("queries", QueryRow)
POSITIONS = Query("positions", PositionRow)
MISSING_TABLES = Query("missing_tables", TableRow)
