-- Events that wait for their session, every row of each; the caller keeps the row of the highest version.
SELECT
    session_id,
    event_id,
    object_id,
    event_type,
    toUnixTimestamp64Milli(created_at) AS created_at_ms,
    toUnixTimestamp64Milli(received_at) AS received_at_ms,
    version
FROM unjoined_events
PREWHERE session_id IN {session_ids:Array(String)} AND event_id IN {event_ids:Array(String)}
