-- The joined events of one session, each once, in no order. The day prunes partitions: events carry
-- the day of their session.
SELECT
    session_id,
    event_id,
    object_id,
    event_type,
    position,
    meta,
    toUnixTimestamp64Milli(created_at) AS created_at_ms,
    kafka_offset
FROM events
WHERE session_id = {session_id:String} AND session_day = {session_day:Date}
ORDER BY version DESC
LIMIT 1 BY event_id
