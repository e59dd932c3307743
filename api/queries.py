"""The queries of the read side: each is a file in `api/sql`, and the type of its rows.

Values reach ClickHouse as bound parameters only (`{name:Type}` in the files).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

from api.experiments.rows import ExperimentUsersRow, TeamRow, VariantMetricRow

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Query(Generic[Row]):
    """A query. `name`: of its file, if it has one, and its label in metrics. `row`: the type of
    its rows."""

    name: str
    row: type[Row]
    settings: Mapping[str, str | int] = field(default_factory=dict)
    """Settings of ClickHouse that differ from the usual ones."""
    text: str | None = None
    """The SQL of a query that is put together; others are read from their files."""
    first_byte_seconds: float | None = None
    """Of a file: how long its first byte may take. None: as long as any other query."""

    @property
    def sql(self) -> str:
        return _SQL[self.name] if self.text is None else self.text


CLICK: Final = "click"


def _without_comments(sql: str) -> str:
    """Shorter: the client and the server parse a query each time it runs."""
    return "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))


_SQL = {
    file.stem: _without_comments(file.read_text(encoding="utf-8"))
    for file in (Path(__file__).parent / "sql").glob("*.sql")
}


class SessionRow(msgspec.Struct, frozen=True):
    """A stored session. Metas, search_meta, payload_filter and sort_by are JSON text."""

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
    version: int = 0


class EventRow(msgspec.Struct, frozen=True):
    """A stored joined event. `position` is 0 when the session did not list the object."""

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
    """A mark of a session. The one of the highest version is in force."""

    session_id: str
    is_irrelevant: bool
    version: int


class DayRow(msgspec.Struct, frozen=True):
    """A partition, as `YYYY-MM-DD`."""

    day: str


class PortionRow(msgspec.Struct, frozen=True):
    """A portion of a partition's sessions."""

    last_id: str


class WatermarkRow(msgspec.Struct, frozen=True):
    """Of each topic that was asked for its partitions and their positions; ClickHouse's clock."""

    partitions: list[list[int]]
    positions: list[list[int]]
    at_ms: int


class FactsProgressRow(msgspec.Struct, frozen=True):
    """`session_facts` has what all records of the partition below this offset have changed."""

    topic: str
    partition: int
    offset: int


class AsOfRow(msgspec.Struct, frozen=True):
    """When a worker last noted that the facts are whole; null before any has."""

    as_of: int | None


class NowRow(msgspec.Struct, frozen=True):
    """What waits now, and what was left out of the range."""

    unjoined_events: int
    dead_letters: int
    irrelevant_sessions: int


class EventTypesRow(msgspec.Struct, frozen=True):
    """Which types of events a range has."""

    event_types: list[str]


class SizeRow(msgspec.Struct, frozen=True):
    """What a range holds, by and large."""

    sessions: int
    impressions: int


class DeadLetterReasonRow(msgspec.Struct, frozen=True):
    """Dead letters of one reason; `latest_at` in milliseconds."""

    reason: str
    records: int
    latest_at: int


class TeamNameRow(msgspec.Struct, frozen=True):
    """Empty when there is none."""

    team: str


class TableRow(msgspec.Struct, frozen=True):
    """A table that the database lacks."""

    table: str


# For a handful of rows, threads, asynchronous reading and the condition cache cost more than they
# save.
_POINT_READ: Mapping[str, str | int] = {
    "max_threads": 1,
    "output_format_parallel_formatting": 0,
    "local_filesystem_read_method": "pread",
    "use_query_condition_cache": 0,
    "use_skip_indexes_on_data_read": 0,
}

# Otherwise a server with less than 1 GiB of free memory a thread would use one core of several.
# Query texts may be as many as sessions: groups go to disk before they take the memory.
FULL_SCAN: Mapping[str, str | int] = {
    "max_threads_min_free_memory_per_thread": 0,
    "max_bytes_before_external_group_by": 300_000_000,
}

FIRST_BYTE_SECONDS: Final = 600.0
"""Of a file that ClickHouse has to count or to sort as a whole before it begins."""

# Reads in the order on disk, and holds a small block of each part.
_IN_ORDER: Final[dict[str, str | int]] = {
    "max_threads": 1,
    "max_block_size": 1024,
    "optimize_read_in_order": 1,
    "optimize_aggregation_in_order": 1,
}
# Text as the api's own encoder writes it.
_LINES: Final[dict[str, str | int]] = {"output_format_json_escape_forward_slashes": 0}

SESSION = Query("session", SessionRow, _POINT_READ)
SESSION_EVENTS = Query("session_events", EventRow, _POINT_READ)
SESSION_MARKS = Query("session_marks", MarkRow, _POINT_READ)
EXPORT_DAYS = Query("export_days", DayRow)
EXPORT_CHANGED_DAYS = Query("export_changed_days", DayRow)
EXPORT_REMOVALS = Query("export_removals", bytes)
WATERMARK = Query("watermark", WatermarkRow)
EXPORT_PORTIONS = Query("export_portions", PortionRow, _IN_ORDER)
EXPORT_LINES = Query("export_lines", bytes, _IN_ORDER | _LINES)
EXPORT_SESSIONS_TABLE = Query("export_sessions_table", bytes)
EXPORT_EVENTS_TABLE = Query("export_events_table", bytes)
FACTS_PROGRESS = Query("facts_progress", FactsProgressRow)
AS_OF = Query("as_of", AsOfRow)
NOW = Query("now", NowRow, FULL_SCAN)
SIZE_OF_RANGE = Query("size_of_range", SizeRow, FULL_SCAN)
EVENT_TYPES = Query("event_types", EventTypesRow, FULL_SCAN)
EXPERIMENT = Query("experiment", VariantMetricRow, FULL_SCAN)
EXPERIMENT_USERS = Query("experiment_users", ExperimentUsersRow, FULL_SCAN)
INTERLEAVING = Query("interleaving", TeamRow, FULL_SCAN)
INTERLEAVING_TEAMS = Query("interleaving_teams", TeamNameRow, FULL_SCAN)
DEAD_LETTER_REASONS = Query("dead_letter_reasons", DeadLetterReasonRow)
MISSING_TABLES = Query("missing_tables", TableRow)
