-- nodes: LOCAL
-- Facts of a day count for as long as the parts are there that they were computed from, also when
-- others have come since: those name the sessions that are computed at the moment of reading, and all
-- other sessions of the day are read from what was kept. So a day that is written to has facts, too.
-- docs/decisions/0012-facts-of-the-running-day.md has the argument and the figures.

-- Facts that were kept count no more: which parts they were computed from was not written down.
ALTER TABLE settled_days DROP PARTITION tuple();

ALTER TABLE settled_days
    DROP COLUMN IF EXISTS content,
    ADD COLUMN IF NOT EXISTS parts Array(UInt128)
        COMMENT 'Checksum of each part that they were computed from, and of nothing else' AFTER build;

CREATE OR REPLACE VIEW day_parts
(
    session_day Date COMMENT 'The day',
    table String COMMENT 'sessions or events',
    part String COMMENT 'A part that is read now',
    content UInt128 COMMENT 'Checksum of what it holds',
    rows UInt64 COMMENT 'How many rows',
    changed_at DateTime COMMENT 'When it was made'
)
AS SELECT
    toDate(partition) AS session_day,
    table,
    name AS part,
    reinterpretAsUInt128(sipHash128(table, hash_of_all_files)) AS content,
    rows,
    modification_time AS changed_at
FROM system.parts
WHERE active
    AND table IN ('sessions', 'events')
    -- Of this database, whichever the reader's own is.
    AND database = (SELECT any(_database) FROM schema_migrations)
COMMENT 'What each day consists of now';

DROP VIEW IF EXISTS day_contents;

CREATE OR REPLACE VIEW settled_builds
(
    session_day Date COMMENT 'A day that has facts',
    build UInt64 COMMENT 'Their rows of session_facts and session_type_facts',
    other_rows UInt64 COMMENT 'Rows of parts that have come since; 0: they are the facts of the whole day',
    session_parts Array(String) COMMENT 'Parts of sessions that they were computed from',
    event_parts Array(String) COMMENT 'Parts of events that they were computed from'
)
AS
-- ClickHouse evaluates the same scalar once per query, wherever it stands. So all readers of this view
-- in one query agree on which days are kept although days change meanwhile: no session is read twice
-- or not at all.
WITH
(
    SELECT groupArray(latest)
    FROM
    (
        SELECT argMax((session_day, build, other_rows, session_parts, event_parts), built_at) AS latest
        FROM
        (
            SELECT
                session_day,
                build,
                built_at,
                arrayFilter(each -> has(parts, each.1), there) AS used,
                arraySum(arrayMap(each -> each.4, used)) AS used_rows,
                arraySum(arrayMap(each -> each.4, there)) - used_rows AS other_rows,
                arrayMap(each -> each.3, arrayFilter(each -> each.2 = 'sessions', used)) AS session_parts,
                arrayMap(each -> each.3, arrayFilter(each -> each.2 = 'events', used)) AS event_parts
            FROM settled_days
            INNER JOIN
            (
                SELECT session_day, groupArray((content, table, part, rows)) AS there
                FROM day_parts
                GROUP BY session_day
            ) AS now USING (session_day)
            WHERE notEmpty(parts) AND hasAll(arrayMap(each -> each.1, there), parts)
                -- With more than that beside them, it is cheaper to compute the day.
                AND other_rows <= least(used_rows, 1000000)
        )
        GROUP BY session_day
    )
) AS builds
SELECT
    each.1 AS session_day, each.2 AS build, each.3 AS other_rows, each.4 AS session_parts, each.5 AS event_parts
FROM (SELECT arrayJoin(builds) AS each)
COMMENT 'The days whose facts hold: for all sessions, or for all but those of other parts';

CREATE OR REPLACE VIEW unsettled_sessions
(
    session_id String COMMENT 'A session that has a row in parts beside those of its day''s facts'
)
AS
-- A scalar, too: those who leave these sessions out and those who compute them mean the same ones.
WITH
(
    SELECT groupUniqArray(session_id)
    FROM
    (
        SELECT session_id
        FROM sessions
        WHERE session_day IN (SELECT session_day FROM settled_builds WHERE other_rows > 0)
            AND _part NOT IN (SELECT arrayJoin(session_parts) FROM settled_builds)
        UNION ALL
        SELECT session_id
        FROM events
        WHERE session_day IN (SELECT session_day FROM settled_builds WHERE other_rows > 0)
            AND _part NOT IN (SELECT arrayJoin(event_parts) FROM settled_builds)
    )
) AS unsettled
SELECT arrayJoin(unsettled) AS session_id
COMMENT 'Sessions whose kept facts do not count, on days that have facts and other parts beside them';

CREATE OR REPLACE VIEW session_facts_kept
AS SELECT *
FROM session_facts
WHERE build IN (SELECT build FROM settled_builds WHERE other_rows = 0)
UNION ALL
SELECT *
FROM session_facts
WHERE build IN (SELECT build FROM settled_builds WHERE other_rows > 0)
    AND session_id NOT IN (SELECT session_id FROM unsettled_sessions)
COMMENT 'The rows of session_facts that hold';

CREATE OR REPLACE VIEW session_type_facts_kept
AS SELECT *
FROM session_type_facts
WHERE build IN (SELECT build FROM settled_builds WHERE other_rows = 0)
UNION ALL
SELECT *
FROM session_type_facts
WHERE build IN (SELECT build FROM settled_builds WHERE other_rows > 0)
    AND session_key NOT IN
    (
        SELECT reinterpretAsUInt128(sipHash128(session_id)) FROM unsettled_sessions
    )
COMMENT 'The rows of session_type_facts that hold';

-- PREWHERE is what FINAL has to merge: only rows of these sessions. They have all their rows with
-- them, as the id is in the keys of both tables.
CREATE OR REPLACE VIEW sessions_to_compute
AS SELECT *
FROM sessions FINAL
WHERE session_day NOT IN (SELECT session_day FROM settled_builds)
UNION ALL
SELECT *
FROM sessions FINAL
PREWHERE session_id IN (SELECT session_id FROM unsettled_sessions)
WHERE session_day IN (SELECT session_day FROM settled_builds WHERE other_rows > 0)
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The rows of sessions that no kept facts hold for';

CREATE OR REPLACE VIEW events_to_compute
AS SELECT *
FROM events FINAL
WHERE session_day NOT IN (SELECT session_day FROM settled_builds)
UNION ALL
SELECT *
FROM events FINAL
PREWHERE session_id IN (SELECT session_id FROM unsettled_sessions)
WHERE session_day IN (SELECT session_day FROM settled_builds WHERE other_rows > 0)
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The rows of events that no kept facts hold for';

-- session_facts_computed of 0008 has the same columns of every session, for the settler.
CREATE OR REPLACE VIEW session_facts_fresh
AS SELECT
    session_day,
    session_id,
    reinterpretAsUInt128(sipHash128(session_id)) AS session_key,
    anyIf(session_created_at, is_session) AS created_at,
    anyIf(query, is_session) AS search_query,
    anyIf(user, is_session) AS user_id,
    if(isNull(user_id), toUInt128(0), reinterpretAsUInt128(sipHash128(assumeNotNull(user_id)))) AS user_key,
    toUInt32(sum(shown)) AS impressions,
    toUInt32(countIf(NOT is_session)) AS events,
    toUInt32(countIf(NOT is_session AND place = 0)) AS unlisted_events,
    toUInt32(countIf(is_click)) AS clicks,
    minIf(place, is_click AND place > 0) AS clicked_position,
    groupBitOrIf(bitShiftLeft(toUInt64(1), toUInt8(place - 1)), is_click AND place BETWEEN 1 AND 64) AS clicked_places,
    groupUniqArrayIf(place, is_click AND place > 64) AS clicked_deep
FROM
(
    SELECT
        session_day, session_id, true AS is_session, created_at AS session_created_at, search_query AS query,
        user_id AS user, toUInt32(length(search_results.object_id)) AS shown,
        toUInt16(0) AS place, false AS is_click
    FROM sessions_to_compute
    UNION ALL
    SELECT
        session_day, session_id, false AS is_session, toDateTime64(0, 3, 'UTC') AS session_created_at, '' AS query,
        NULL AS user, toUInt32(0) AS shown,
        position AS place, event_type = 'click' AS is_click
    FROM events_to_compute
)
GROUP BY session_day, session_id
HAVING countIf(is_session) > 0
COMMENT 'The facts of all sessions that no kept ones hold for, computed now';

CREATE OR REPLACE VIEW session_facts_now
AS SELECT
    session_day, session_id, session_key, created_at, search_query, user_id, user_key, impressions, events,
    unlisted_events, clicks, clicked_position, clicked_places, clicked_deep
FROM session_facts_kept
UNION ALL
SELECT
    session_day, session_id, session_key, created_at, search_query, user_id, user_key, impressions, events,
    unlisted_events, clicks, clicked_position, clicked_places, clicked_deep
FROM session_facts_fresh
COMMENT 'The facts of every session, marked or not: kept ones where they hold, computed ones of all others';
