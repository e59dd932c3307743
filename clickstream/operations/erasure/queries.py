"""The SQL of an erasure. Names of databases and tables are bound as parameters, like values."""

from __future__ import annotations

from typing import Final

NOW_MS: Final = "SELECT toUnixTimestamp64Milli(now64(3))"

_PUBLISHED_SESSIONS: Final = """
SELECT session_hash FROM {live:Identifier}.erased_sessions
WHERE {every:UInt8} OR lower(hex(user_hash)) IN {user_hashes:Array(String)}
"""

# --- Find the data of a user -----------------------------------------------------------------

# A page of them: those whose ids come after `after`.
SESSIONS_OF: Final = """
SELECT DISTINCT session_id FROM {database:Identifier}.{table:Identifier}
WHERE user_id IN {users:Array(String)}
    AND received_at <= fromUnixTimestamp64Milli({cut_off:Int64})
    AND session_id > {after:String}
ORDER BY session_id
LIMIT {most:UInt64}
"""

# The same for every erased user, without an order.
SESSIONS_OF_ERASED: Final = """
SELECT DISTINCT session_id FROM {database:Identifier}.{table:Identifier} AS stored
INNER JOIN (
    SELECT user_hash, max(cut_off) AS cut_off FROM {live:Identifier}.erasures GROUP BY user_hash
) AS erased ON SHA256(assumeNotNull(user_id)) = erased.user_hash
WHERE isNotNull(user_id) AND received_at <= erased.cut_off
LIMIT {most:UInt64}
"""

# Rows of all published sessions. It reads every id.
PUBLISHED_BY_ID: Final = f"substring(SHA256(session_id), 1, 16) IN ({_PUBLISHED_SESSIONS})"

# Some of the published sessions that have rows.
RESIDUAL_SESSIONS: Final = (
    "SELECT DISTINCT session_id FROM {database:Identifier}.{table:Identifier}"  # noqa: S608  (our own text)
    f" WHERE {PUBLISHED_BY_ID} LIMIT {{most:UInt64}}"
)

# The session id is the first field of each of our records, after the five bytes of the wire header.
# The user id can be anywhere, as the second branch of a union. Other values may be JSON.
DEAD_LETTERS_NAMING: Final = """
SELECT DISTINCT hex(substring(SHA256(assumeNotNull(value)), 1, 16))
FROM {database:Identifier}.dead_letters
WHERE isNotNull(value) AND (
    arrayExists(
        each -> startsWith(substring(assumeNotNull(value), 6), unhex(each)),
        {prefixes:Array(String)}
    )
    OR arrayExists(
        each -> position(assumeNotNull(value), unhex(each)) > 0,
        {patterns:Array(String)}
    )
)
"""

NUMBER_OF_SESSIONS: Final = """
SELECT uniqExact(session_hash) FROM {live:Identifier}.erased_sessions
WHERE lower(hex(user_hash)) IN {user_hashes:Array(String)}
"""
# Of these hashes, those that are not published yet.
UNPUBLISHED_SESSIONS: Final = """
SELECT arrayJoin({hashes:Array(String)}) AS hash
WHERE unhex(hash) NOT IN (
    SELECT session_hash FROM {live:Identifier}.erased_sessions
    WHERE lower(hex(user_hash)) IN {user_hashes:Array(String)}
)
"""
UNPUBLISHED_DEAD_LETTERS: Final = """
SELECT arrayJoin({hashes:Array(String)}) AS hash
WHERE unhex(hash) NOT IN (
    SELECT dead_letter_hash FROM {live:Identifier}.erased_dead_letters
    WHERE lower(hex(user_hash)) IN {user_hashes:Array(String)}
)
"""

HAS_TABLE: Final = """
SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {table:String}
"""

DEAD_LETTERS_OF_SESSIONS: Final = "key IN {ids:Array(String)}"
PUBLISHED_DEAD_LETTERS: Final = f"""(
    isNotNull(value) AND substring(SHA256(assumeNotNull(value)), 1, 16) IN (
        SELECT dead_letter_hash FROM {{live:Identifier}}.erased_dead_letters
        WHERE {{every:UInt8}} OR lower(hex(user_hash)) IN {{user_hashes:Array(String)}}
    )
    OR isNotNull(key)
        AND substring(SHA256(assumeNotNull(key)), 1, 16) IN ({_PUBLISHED_SESSIONS})
)"""  # noqa: S608  (our own text)

ANYBODY_ERASED: Final = """
SELECT (SELECT count() FROM {live:Identifier}.erasures)
    + (SELECT count() FROM {live:Identifier}.erased_sessions)
"""
KNOWN_ERASURES: Final = """
SELECT DISTINCT hex(user_hash), toUnixTimestamp64Milli(cut_off) FROM {live:Identifier}.erasures
"""

# --- Deletion ---------------------------------------------------------------------------------


def rows_by_partition(condition: str) -> str:
    """Partition ids, and how many rows readers see in each. Partitions without such rows are left
    out."""
    return (
        "SELECT _partition_id, count() FROM {database:Identifier}.{table:Identifier}"  # noqa: S608  (our own text)
        f" WHERE {condition} GROUP BY _partition_id ORDER BY _partition_id"
    )


def count_deleted_too(condition: str) -> str:
    """Counts all rows, deleted or not."""
    return (
        f"SELECT count() FROM {{database:Identifier}}.{{table:Identifier}} WHERE {condition}"  # noqa: S608  (our own text)
        " SETTINGS apply_deleted_mask = 0"
    )


def delete_in_partition(condition: str) -> str:
    """Deletes rows for every reader; they stay on the disk. ClickHouse would read, and write anew,
    every part of a table without the partition."""
    return (
        "DELETE FROM {database:Identifier}.{table:Identifier}"  # noqa: S608  (our own text)
        f" IN PARTITION ID {{partition:String}} WHERE {condition}"
    )


PARTITIONS_WITH_DELETED_ROWS: Final = """
SELECT DISTINCT partition_id FROM $parts
WHERE database = {database:String} AND table = {table:String} AND active AND has_lightweight_delete
ORDER BY partition_id
"""


def remove_deleted_rows(partitions: int) -> str:
    """Rewrites the parts with deleted rows of that many partitions, {p0}, {p1}, … One mutation for
    all of them: ClickHouse visits every part of the table for each mutation."""
    return "ALTER TABLE {database:Identifier}.{table:Identifier} " + ", ".join(
        f"APPLY DELETED MASK IN PARTITION ID {{p{n}:String}}" for n in range(partitions)
    )


# --- Store the erasure -----------------------------------------------------------------------

ADD_ERASURE: Final = """
INSERT INTO {live:Identifier}.erasures (user_hash, cut_off, requested_at, requested_by)
SELECT unhex({user_hash:String}), fromUnixTimestamp64Milli({cut_off:Int64}),
    fromUnixTimestamp64Milli({requested_at:Int64}), {requested_by:Nullable(String)}
"""
ADD_SESSIONS: Final = """
INSERT INTO {live:Identifier}.erased_sessions (session_hash, user_hash)
SELECT unhex(arrayJoin({hashes:Array(String)})), unhex({user_hash:String})
"""
ADD_DEAD_LETTERS: Final = """
INSERT INTO {live:Identifier}.erased_dead_letters (dead_letter_hash, user_hash)
SELECT unhex(arrayJoin({hashes:Array(String)})), unhex({user_hash:String})
"""


def add_missing(table: str, column: str) -> str:
    """Adds pairs of a hash and the hash of its user, but those that are there."""
    return f"""
INSERT INTO {{live:Identifier}}.{table} ({column}, user_hash)
SELECT DISTINCT unhex(pair.1), unhex(pair.2)
FROM (SELECT arrayJoin(arrayZip({{hashes:Array(String)}}, {{users:Array(String)}})) AS pair)
WHERE unhex(pair.1) NOT IN (SELECT {column} FROM {{live:Identifier}}.{table})
"""  # noqa: S608 - names of our own


def number_of(table: str) -> str:
    """The rows of a table of erasures."""
    return f"SELECT count() FROM {{live:Identifier}}.{table}"  # noqa: S608 - names of our own


ADD_TO_LOG: Final = """
INSERT INTO {live:Identifier}.erasure_log
    (user_hash, cut_off, requested_by, sessions, deleted, finished_at)
SELECT unhex({user_hash:String}), fromUnixTimestamp64Milli({cut_off:Int64}),
    {requested_by:Nullable(String)}, {sessions:UInt64},
    mapFromArrays({tables:Array(String)}, {rows:Array(UInt64)}),
    fromUnixTimestamp64Milli({finished_at:Int64})
"""
