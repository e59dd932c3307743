"""The one home of the read side's SQL: each query is a file in `api/sql`, and the row it gives.

Values reach ClickHouse as bound parameters only (`{name:Type}` in the files).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from typing import Final, Generic, TypeVar

import msgspec

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Query(Generic[Row]):
    """A query: its name, which is its file's and its metric's, and the type of its rows."""

    name: str
    row: type[Row]
    settings: Mapping[str, str | int] = field(default_factory=dict)
    """ClickHouse's settings for it, where the usual ones do not fit."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """What stands for each `$name` of the file: text of ours, never of a client."""

    @property
    def sql(self) -> str:
        text = _SQL[self.name]
        return Template(text).substitute(self.parts) if self.parts else text

    def about(self, event_type: str) -> Query[Row]:
        """The same, about events of this type; bind `event_type` all the same.

        Clicks have columns of their own in the facts of sessions, other types rows of their own.
        """
        return replace(self, parts=_OF_CLICKS if event_type == CLICK else _OF_OTHERS)


CLICK: Final = "click"


def _without_comments(sql: str) -> str:
    """Both the client and the server read a query character by character, each time it is asked."""
    return "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))


_SQL = {
    file.stem: _without_comments(file.read_text(encoding="utf-8"))
    for file in (Path(__file__).parent / "sql").glob("*.sql")
}

# `$counts`: does a row of `$facts` stand for a session?
_OF_CLICKS: Final = {"facts": "_session_facts_now", "counts": "true"}
_OF_OTHERS: Final = {"facts": _SQL["facts_of_type"], "counts": "facts.counts"}


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
    version: int = 0


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
    version: int = 0


class MarkRow(msgspec.Struct, frozen=True):
    """A word on a session; that of the highest version counts."""

    session_id: str
    is_irrelevant: bool
    version: int


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


# A handful of rows: threads, asynchronous reading and remembering conditions cost more than they
# bring.
_POINT_READ: Mapping[str, str | int] = {
    "max_threads": 1,
    "output_format_parallel_formatting": 0,
    "local_filesystem_read_method": "pread",
    "use_query_condition_cache": 0,
    "use_skip_indexes_on_data_read": 0,
}

# A server with little memory (less than 1 GiB free for each thread) would use one core of several.
_WHOLE_RANGE: Mapping[str, str | int] = {"max_threads_min_free_memory_per_thread": 0}

SESSION = Query("session", SessionRow, _POINT_READ)
SESSION_EVENTS = Query("session_events", EventRow, _POINT_READ)
SESSION_MARKS = Query("session_marks", MarkRow, _POINT_READ)
EXPORT_DAYS = Query("export_days", DayRow)
EXPORT_SESSIONS = Query("export_sessions", SessionRow)
EXPORT_EVENTS = Query("export_events", EventRow)
EXPORT_SESSIONS_TABLE = Query("export_sessions_table", bytes)
EXPORT_EVENTS_TABLE = Query("export_events_table", bytes)
OVERVIEW = Query("overview", OverviewRow, _WHOLE_RANGE)
QUERIES = Query("queries", QueryRow, _WHOLE_RANGE)
POSITIONS = Query("positions", PositionRow, _WHOLE_RANGE)
MISSING_TABLES = Query("missing_tables", TableRow)
