-- The partitions that a range of created_at can touch, in order; 1970-01-01 is the overflow one.
SELECT DISTINCT toString(session_day) AS day
FROM sessions
WHERE session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01'
ORDER BY day
