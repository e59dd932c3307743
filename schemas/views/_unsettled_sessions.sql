CREATE OR REPLACE VIEW _unsettled_sessions
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
        WHERE session_day IN (SELECT session_day FROM _settled_builds WHERE other_rows > 0)
            AND _part NOT IN (SELECT arrayJoin(session_parts) FROM _settled_builds)
        UNION ALL
        SELECT session_id
        FROM events
        WHERE session_day IN (SELECT session_day FROM _settled_builds WHERE other_rows > 0)
            AND _part NOT IN (SELECT arrayJoin(event_parts) FROM _settled_builds)
    )
) AS unsettled
SELECT arrayJoin(unsettled) AS session_id
COMMENT 'Sessions whose kept facts do not count, on days that have facts and other parts beside them'
