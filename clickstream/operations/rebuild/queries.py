"""All SQL of a replay. Names of databases are bound, the rest is ours.

`earlier` is the one condition that everything hangs on: a row that comes from before the given
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

WHERE_TABLES_ARE: Final = """
SELECT database, name FROM system.tables
WHERE database IN ({live:String}, {shadow:String}, {retired:String})
    AND name IN {tables:Array(String)}
"""

ALTERED: Final = """
SELECT mine.name
FROM system.tables AS mine
INNER JOIN system.tables AS declared ON declared.name = mine.name
WHERE mine.database = {live:String} AND declared.database = {shadow:String}
    AND mine.name IN {tables:Array(String)}
    AND replaceOne(mine.create_table_query, concat({live:String}, '.'), '')
        != replaceOne(declared.create_table_query, concat({shadow:String}, '.'), '')
ORDER BY mine.name
"""

FED: Final = """
SELECT name, arrayStringConcat(dependencies_table, ', ') FROM system.tables
WHERE database = {live:String} AND name IN {tables:Array(String)} AND notEmpty(dependencies_table)
ORDER BY name
"""

MIGRATIONS_DIFFER: Final = """
SELECT
    (SELECT groupArray((path, checksum)) FROM (
        SELECT path, checksum FROM {live:Identifier}._schema_files FINAL ORDER BY path))
    != (SELECT groupArray((path, checksum)) FROM (
        SELECT path, checksum FROM {shadow:Identifier}._schema_files FINAL ORDER BY path))
"""


def furthest(table: str) -> str:
    """Per epoch and partition, the highest offset that has a row."""
    return f"""
SELECT {EPOCH_OF[table]} AS epoch, kafka_partition, max(kafka_offset)
FROM {{live:Identifier}}.{table}
GROUP BY epoch, kafka_partition
"""  # noqa: S608 - names of our own


# --- Old rows into the shadow ----------------------------------------------------------------


def days(table: str) -> str:
    """The days for which a table has rows."""
    return f"SELECT DISTINCT session_day FROM {{live:Identifier}}.{table} ORDER BY session_day"  # noqa: S608


def keep(table: str, *, by_day: bool) -> str:
    """Copy the rows from before the replay's start; by the day, because one insert may touch only
    so many partitions."""
    day = "session_day = {day:Date} AND " if by_day else ""
    return f"""
INSERT INTO {{shadow:Identifier}}.{table}
SELECT * FROM {{live:Identifier}}.{table} FINAL
WHERE {day}{EARLIER[table]}
"""  # noqa: S608 - names of our own


KEEP_MOMENTS: Final = f"""
INSERT INTO {{shadow:Identifier}}.{table_columns.DEAD_LETTERS}
SELECT * FROM {{retired:Identifier}}.{table_columns.DEAD_LETTERS} FINAL
WHERE (topic, partition, offset) IN (
    SELECT topic, partition, offset FROM {{shadow:Identifier}}.{table_columns.DEAD_LETTERS}
)
"""  # noqa: S608 - names of our own


def add_missing(table: str) -> str:
    """Rows of the erasures that one database has and the other lacks."""
    return f"""
INSERT INTO {{target:Identifier}}.{table}
SELECT * FROM {{source:Identifier}}.{table}
WHERE (tuple(*)) NOT IN (SELECT tuple(*) FROM {{target:Identifier}}.{table})
"""  # noqa: S608 - names of our own


# --- Work that is still under way -------------------------------------------------------------

OPEN_MUTATIONS: Final = (
    "SELECT count() FROM system.mutations WHERE database = {database:String} AND NOT is_done"
)
KILL_MUTATIONS: Final = "KILL MUTATION WHERE database = {database:String} AND NOT is_done SYNC"
INSERTS: Final = """
SELECT query_id FROM system.processes
WHERE query_kind IN ('Insert', 'AsyncInsertFlush')
    AND (current_database = {live:String} OR position(query, concat({live:String}, '.')) > 0)
"""

# --- Comparison ------------------------------------------------------------------------------

_SUM: Final = "count(), sum(cityHash64(formatRow('RowBinary', *)))"

_LATER_SESSIONS: Final = f"""(
    SELECT session_id FROM {{live:Identifier}}.{table_columns.SESSIONS} FINAL
    WHERE NOT {_EARLIER_SESSION}
)"""  # noqa: S608 - names of our own

_LATER_MARKS: Final = f"""(
    SELECT session_id FROM {{live:Identifier}}.{table_columns.MARKS} FINAL WHERE NOT {_EARLIER_MARK}
)"""  # noqa: S608 - names of our own

_WAITING: Final = ", ".join(table_columns.UNJOINED_COLUMNS.names)

# A rebuild brings purged letters back as rows; they are neither shown nor compared.
_PURGED_LETTERS: Final = """(
    SELECT topic, partition, offset, toUInt16(arrayJoin(range(1, toUInt32(attempt) + 1)))
    FROM {live:Identifier}.dead_letter_acts FINAL WHERE act = 'purged'
)"""

FINGERPRINTS: Final = {
    table_columns.SESSIONS: f"""
SELECT {_SUM} FROM {{side:Identifier}}.{table_columns.SESSIONS} FINAL WHERE {_EARLIER_SESSION}
""",  # noqa: S608 - names of our own
    # Joined at that time: the session, too, is from before.
    table_columns.EVENTS: f"""
SELECT {_SUM} FROM {{side:Identifier}}.{table_columns.EVENTS} FINAL
WHERE {_EARLIER_EVENT} AND session_id NOT IN {_LATER_SESSIONS}
""",  # noqa: S608 - names of our own
    # Waiting at that time: without a session until today, or with one that came later.
    table_columns.UNJOINED: f"""
SELECT {_SUM} FROM (
    SELECT * FROM (
        SELECT {_WAITING} FROM {{side:Identifier}}.{table_columns.UNJOINED} FINAL
        WHERE {_EARLIER_EVENT} AND received_at > fromUnixTimestamp64Milli({{since:Int64}})
            AND session_id NOT IN (
                SELECT session_id FROM {{live:Identifier}}.{table_columns.SESSIONS} FINAL
                WHERE {_EARLIER_SESSION} AND session_id IN (
                    SELECT session_id FROM {{side:Identifier}}.{table_columns.UNJOINED}
                )
            )
        UNION ALL
        SELECT {_WAITING} FROM {{side:Identifier}}.{table_columns.EVENTS} FINAL
        WHERE {_EARLIER_EVENT} AND received_at > fromUnixTimestamp64Milli({{since:Int64}})
            AND session_id IN {_LATER_SESSIONS}
    )
    ORDER BY version DESC
    LIMIT 1 BY session_id, event_id
)
""",  # noqa: S608 - names of our own
    # A session that was marked again has one row, the later one.
    table_columns.MARKS: f"""
SELECT {_SUM} FROM {{side:Identifier}}.{table_columns.MARKS} FINAL
WHERE session_id NOT IN {_LATER_MARKS}
""",  # noqa: S608 - names of our own
    table_columns.DEAD_LETTERS: f"""
SELECT {_SUM} FROM {{side:Identifier}}.{table_columns.DEAD_LETTERS} FINAL
WHERE {_EARLIER_LETTER} AND failed_at > fromUnixTimestamp64Milli({{since:Int64}})
    AND (topic, first_partition, first_offset, attempt) NOT IN {_PURGED_LETTERS}
""",  # noqa: S608 - names of our own
}
"""One row each: how many rows of that table come from before the bound offsets, and a checksum over
all their columns in which their order does not count. Side `live` or `retired`."""

_REMEMBERED: Final = "cityHash64(session_id, created_at, session_day, `search_results.object_id`)"

REMEMBERED_BY_DAY: Final = f"""
SELECT session_day, count(), sum({_REMEMBERED})
FROM {{side:Identifier}}.{table_columns.SESSIONS} FINAL
WHERE {_EARLIER_SESSION} GROUP BY session_day
"""  # noqa: S608 - names of our own

REMEMBERED_OTHERWISE: Final = f"""
SELECT count() FROM {{live:Identifier}}.{table_columns.SESSIONS} FINAL
WHERE session_day = {{day:Date}} AND {_EARLIER_SESSION} AND {_REMEMBERED} NOT IN (
    SELECT {_REMEMBERED} FROM {{shadow:Identifier}}.{table_columns.SESSIONS} FINAL
    WHERE session_day = {{day:Date}}
)
"""  # noqa: S608 - names of our own
