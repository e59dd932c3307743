"""The SQL of settling days. Values are bound; names are our own."""

from __future__ import annotations

from typing import Final

# Parts that nothing has been done to for a while, merges included: they are likely to stay. Due is
# a day whose facts they would improve: the whole day, or a fiftieth of one that is written to, when
# so much is covered then that the facts are used (schemas/views/_settled_builds.sql has the same
# bounds). The newest first: they are asked for most.
DUE: Final = """
SELECT toString(session_day), still_parts, session_parts, event_parts
FROM
(
    SELECT
        session_day,
        sum(rows) AS all_rows,
        sumIf(rows, is_still) AS still_rows,
        groupArrayIf(content, is_still) AS still_parts,
        groupArrayIf(part, is_still AND table = 'sessions') AS session_parts,
        groupArrayIf(part, is_still AND table = 'events') AS event_parts
    FROM (SELECT *, changed_at <= now() - {quiet_seconds:UInt32} AS is_still FROM _day_parts)
    GROUP BY session_day
) AS days
LEFT JOIN (SELECT session_day, other_rows, true AS has_facts FROM _settled_builds) AS kept
    USING (session_day)
WHERE still_rows > 0
    AND all_rows - still_rows <= least(still_rows, 1000000)
    AND (NOT has_facts
        OR (still_rows = all_rows AND other_rows > 0)
        OR other_rows > all_rows - still_rows + all_rows / 50)
ORDER BY session_day DESC
SETTINGS join_use_nulls = 0
"""

HOLDS: Final = """
SELECT hasAll(groupArray(content), {parts:Array(UInt128)})
FROM _day_parts
WHERE session_day = {day:Date}
"""

COMPUTE: Final = """
INSERT INTO _session_facts
(
    session_day, build, session_id, session_key, created_at, search_query, user_id, user_key,
    impressions, events, unlisted_events, clicks, clicked_position, clicked_places, clicked_deep
)
SELECT
    session_day, {build:UInt64}, session_id, session_key, created_at, search_query, user_id,
    user_key, impressions, events, unlisted_events, clicks, clicked_position, clicked_places,
    clicked_deep
FROM _session_facts_computed
WHERE session_day = {day:Date}
"""

COMPUTE_TYPES: Final = """
INSERT INTO _session_type_facts
(
    session_day, build, event_type, session_key, created_at, search_query, impressions, events,
    position, places, deep
)
SELECT
    session_day, {build:UInt64}, event_type, session_key, created_at, search_query, impressions,
    events, position, places, deep
FROM _session_type_facts_computed
WHERE session_day = {day:Date}
"""

COMMIT: Final = """
INSERT INTO _settled_days (session_day, build, parts, built_at)
SELECT {day:Date}, {build:UInt64}, {parts:Array(UInt128)}, now64(3)
"""

# A build is waste when the day has a later one, when the day is gone, or when it was cut short. Not
# at once: a query that has just decided to read it must find it.
WASTE: Final = """
SELECT toString(session_day) AS day, build
FROM
(
    SELECT session_day, build FROM _session_facts
    UNION DISTINCT
    SELECT session_day, build FROM _session_type_facts
) AS kept
LEFT JOIN
(
    SELECT
        build,
        built_at,
        min(built_at) OVER (
            PARTITION BY session_day ORDER BY built_at ROWS BETWEEN 1 FOLLOWING AND 1 FOLLOWING
        ) AS replaced_at
    FROM _settled_days
) AS complete USING (build)
WHERE (complete.built_at = 0
        AND fromUnixTimestamp64Milli(bitShiftRight(build, 20)) < now() - INTERVAL 1 HOUR)
    OR (complete.replaced_at > 0 AND complete.replaced_at < now64(3) - {grace_seconds:UInt32})
    OR (complete.built_at > 0 AND complete.built_at < now64(3) - {grace_seconds:UInt32}
        AND session_day NOT IN (SELECT session_day FROM _day_parts))
ORDER BY day
SETTINGS join_use_nulls = 0
"""

# The record first: a day that came back would otherwise be read from a build that is not there.
FORGET: Final = "DELETE FROM _settled_days WHERE build = {build:UInt64}"
DROPS: Final = (
    "ALTER TABLE _session_facts DROP PARTITION ({day:String}, {build:UInt64})",
    "ALTER TABLE _session_type_facts DROP PARTITION ({day:String}, {build:UInt64})",
)
