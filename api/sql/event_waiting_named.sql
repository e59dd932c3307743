-- Events of one id that wait for a session, the latest first.
SELECT
    session_id,
    event_id,
    object_id,
    event_type,
    toUnixTimestamp64Milli(created_at) AS created_at_ms,
    toUnixTimestamp64Milli(received_at) AS received_at_ms,
    version
FROM unjoined_events
PREWHERE event_id = {event_id:String}
ORDER BY received_at DESC, session_id
LIMIT {rows:UInt32}
