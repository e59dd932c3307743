-- The partitions in which something came or was marked since (api/covered.py), in order.
SELECT toString(session_day) AS day
FROM
(
    SELECT session_day FROM sessions WHERE $session_came
    UNION ALL
    SELECT session_day FROM events WHERE $event_came
    UNION ALL
    SELECT session_day FROM sessions
    WHERE session_id IN (SELECT session_id FROM session_marks WHERE $mark_came)
    UNION ALL
    SELECT session_day FROM late_joins WHERE $joined_late
)
WHERE session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01'
GROUP BY session_day
ORDER BY session_day
