"""All SQL of a replay. Values are bound, names are our own.

`EARLIER` is the condition by which older rows are told: a row that comes from before the given
offsets of its topic, or from a topic that was made anew since (an older epoch).
"""

from __future__ import annotations

from typing import Final

from stream_processors.join import table_columns
from stream_processors.join.row_version import OFFSET_BITS

_MARK_EPOCH: Final = f"bitShiftRight(version, {OFFSET_BITS})"
_FIRST_WINS_EPOCH: Final = f"bitShiftRight(bitNot(version), {OFFSET_BITS})"

EPOCH_OF: Final = {
    table_columns.SESSIONS: _FIRST_WINS_EPOCH,
    table_columns.EVENTS: _FIRST_WINS_EPOCH,
    table_columns.UNJOINED: _FIRST_WINS_EPOCH,
    table_columns.MARKS: _MARK_EPOCH,
}


def _earlier(table: str, offsets: str) -> str:
    """`offsets`: a bound array, one offset a partition; beyond its end ClickHouse reads 0."""
    return (
        f"({EPOCH_OF[table]} < {{epoch:UInt64}}"
        f" OR kafka_offset < {{{offsets}:Array(UInt64)}}[kafka_partition + 1])"
    )


_EARLIER_SESSION: Final = _earlier(table_columns.SESSIONS, "sessions_before")
_EARLIER_EVENT: Final = _earlier(table_columns.EVENTS, "events_before")
_EARLIER_MARK: Final = _earlier(table_columns.MARKS, "marks_before")
_EARLIER_LETTER: Final = """(
    (topic = {sessions:String} AND offset < {sessions_before:Array(UInt64)}[partition + 1])
    OR (topic = {events:String} AND offset < {events_before:Array(UInt64)}[partition + 1])
    OR (topic = {marks:String} AND offset < {marks_before:Array(UInt64)}[partition + 1])
    OR topic NOT IN ({sessions:String}, {events:String}, {marks:String})
)"""

EARLIER: Final = {
    table_columns.SESSIONS: _EARLIER_SESSION,
    table_columns.EVENTS: _EARLIER_EVENT,
    table_columns.UNJOINED: _EARLIER_EVENT,
    table_columns.MARKS: _EARLIER_MARK,
    table_columns.DEAD_LETTERS: _EARLIER_LETTER,
}

# --- What is there ---------------------------------------------------------------------------

FED: Final = """
SELECT name, arrayStringConcat(dependencies_table, ', ') FROM system.tables
WHERE database = {live:String} AND name IN {tables:Array(String)} AND notEmpty(dependencies_table)
ORDER BY name
"""

# As `stream_processors.join.session_day` has it.
OTHER_DAYS: Final = f"""
WITH
    floor(toUnixTimestamp64Milli(created_at) / 86400000) AS created,
    floor(toUnixTimestamp64Milli(received_at) / 86400000) AS received
SELECT uniqExact(session_id) FROM {{live:Identifier}}.{table_columns.SESSIONS}
WHERE NOT {_EARLIER_SESSION} AND toUInt16(session_day) !=
    if(created BETWEEN received - {{past:UInt32}} AND received + {{future:UInt32}}, created, 0)
"""  # noqa: S608 - names of our own

LETTERS_BETWEEN: Final = f"""
SELECT DISTINCT offset FROM {table_columns.DEAD_LETTERS}
WHERE topic = {{topic:String}} AND partition = {{partition:UInt32}} AND epoch = {{epoch:UInt16}}
    AND offset BETWEEN {{first:UInt64}} AND {{last:UInt64}}
"""  # noqa: S608 - names of our own


def rows(table: str) -> str:
    """How many rows a reader finds."""
    return f"SELECT count() FROM {{live:Identifier}}.{table} FINAL"  # noqa: S608


def furthest(table: str) -> str:
    """Per epoch and partition, the highest offset that has a row."""
    return f"""
SELECT {EPOCH_OF[table]} AS epoch, kafka_partition, max(kafka_offset)
FROM {{live:Identifier}}.{table}
GROUP BY epoch, kafka_partition
"""  # noqa: S608 - names of our own


# --- Fresh tables ----------------------------------------------------------------------------


OPEN_MUTATIONS: Final = (
    "SELECT count() FROM $mutations WHERE database = {fresh:String} AND NOT is_done"
)


def days(table: str) -> str:
    """The days for which a table has rows."""
    return f"SELECT DISTINCT session_day FROM {{live:Identifier}}.{table} ORDER BY session_day"  # noqa: S608


def copy_older(table: str, *, by_day: bool) -> str:
    """Copy the rows from before the replay's start; by the day, because one insert may touch only
    so many partitions."""
    day = "session_day = {day:Date} AND " if by_day else ""
    return f"""
INSERT INTO {{fresh:Identifier}}.{table}
SELECT * FROM {{live:Identifier}}.{table} FINAL
WHERE {day}{EARLIER[table]}
"""  # noqa: S608 - names of our own


COPY_LETTERS: Final = f"""
INSERT INTO {{fresh:Identifier}}.{table_columns.DEAD_LETTERS}
SELECT * FROM {{live:Identifier}}.{table_columns.DEAD_LETTERS} FINAL
WHERE (topic, partition, offset) IN (
    SELECT topic, partition, offset FROM {{fresh:Identifier}}.{table_columns.DEAD_LETTERS}
)
"""  # noqa: S608 - names of our own


def add_missing(table: str) -> str:
    """Rows of the erasures that one database has and the other lacks."""
    return f"""
INSERT INTO {{target:Identifier}}.{table}
SELECT * FROM {{source:Identifier}}.{table}
WHERE (tuple(*)) NOT IN (SELECT tuple(*) FROM {{target:Identifier}}.{table})
"""  # noqa: S608 - names of our own
