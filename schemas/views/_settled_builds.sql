CREATE OR REPLACE VIEW _settled_builds
(
    session_day Date COMMENT 'A day that has facts',
    build UInt64 COMMENT 'Their rows of _session_facts and _session_type_facts',
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
            FROM _settled_days
            INNER JOIN
            (
                SELECT session_day, groupArray((content, table, part, rows)) AS there
                FROM _day_parts
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
COMMENT 'The days whose facts hold: for all sessions, or for all but those of other parts'
