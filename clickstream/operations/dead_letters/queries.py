"""SQL of the letters: the rows of one are its attempts, and the acts what was done since."""

from __future__ import annotations

from typing import Final

# A null value would not survive argMax by itself, a tuple does. The last attempt may be there twice
# (a replay that was repeated before it was noted): either will do, always the same one.
_LETTERS: Final = """
    SELECT
        topic, first_partition, first_offset,
        max(dead_letters.attempt) AS attempt,
        argMax(tuple(reason, error, failed_at, cut_bytes, length(value)),
            (dead_letters.attempt, partition, offset)) AS last,
        argMax(tuple(partition, offset), (dead_letters.attempt, partition, offset)) AS last_place
    FROM dead_letters FINAL
    GROUP BY topic, first_partition, first_offset
"""

_ACTS: Final = """
    SELECT
        topic, partition, offset,
        maxIf(dead_letter_acts.attempt, act = 'replayed') AS replayed,
        maxIf(dead_letter_acts.attempt, act = 'purged') AS purged
    FROM dead_letter_acts FINAL
    GROUP BY topic, partition, offset
"""

# A rebuild of the tables from Kafka brings purged letters back, as rows; purged they stay.
_ENTRIES: Final = f"""
    SELECT
        letters.topic AS topic, first_partition, first_offset,
        if(replayed > attempt, 'replayed', 'open') AS state,
        attempt,
        last.1 AS reason, last.2 AS error, last.3 AS failed_at, last.4 AS cut_bytes,
        ifNull(last.5, 0) AS value_bytes,
        last_place
    FROM ({_LETTERS}) AS letters
    LEFT JOIN ({_ACTS}) AS acts
        ON acts.topic = letters.topic
        AND acts.partition = letters.first_partition AND acts.offset = letters.first_offset
    WHERE purged < attempt
"""  # noqa: S608 - constants of this module

_SELECTED: Final = f"""
    SELECT * FROM ({_ENTRIES})
    WHERE state IN {{states:Array(String)}}
        AND (empty({{reasons:Array(String)}}) OR reason IN {{reasons:Array(String)}})
        AND (empty({{topics:Array(String)}}) OR topic IN {{topics:Array(String)}})
        AND failed_at >= fromUnixTimestamp64Milli({{since:Int64}})
        AND (empty({{places:Array(Tuple(String, UInt32, UInt64))}})
            OR (topic, first_partition, first_offset)
                IN {{places:Array(Tuple(String, UInt32, UInt64))}})
"""  # noqa: S608 - constants of this module

COUNTS: Final = f"""
SELECT reason, count() FROM ({_SELECTED}) GROUP BY reason ORDER BY reason
"""  # noqa: S608 - constants of this module

ENTRIES: Final = f"""
SELECT
    topic, first_partition, first_offset, state, attempt, reason, error, failed_at,
    value_bytes, cut_bytes, last_place.1, last_place.2
FROM ({_SELECTED})
ORDER BY failed_at DESC, topic, first_partition, first_offset DESC
LIMIT {{limit:UInt64}}
"""  # noqa: S608 - constants of this module

CONTENTS: Final = """
SELECT topic, partition, offset, key, value, headers
FROM dead_letters FINAL
WHERE (topic, partition, offset) IN {places:Array(Tuple(String, UInt32, UInt64))}
"""

# Attempts that failed after the purge was decided are another matter, and stay.
DELETE_PURGED: Final = """
DELETE FROM dead_letters
WHERE (topic, first_partition, first_offset, attempt) IN (
    SELECT topic, partition, offset, toUInt16(arrayJoin(range(1, toUInt32(attempt) + 1)))
    FROM dead_letter_acts FINAL
    WHERE act = 'purged'
)
"""

ACTS: Final = "dead_letter_acts"
ACT_COLUMNS: Final = ("topic", "partition", "offset", "act", "attempt", "done_at")

NEWEST_MARK: Final = """
SELECT max(received_at) FROM session_marks WHERE session_id = {session_id:String}
HAVING count() > 0
"""

OPEN: Final = f"""
SELECT reason, count() FROM ({_ENTRIES}) WHERE state = 'open' GROUP BY reason ORDER BY reason
"""  # noqa: S608 - constants of this module
