-- One partition's joined events, each once, in the order of their sessions' ids.
SELECT
    session_id,
    event_id,
    object_id,
    event_type,
    position,
    meta,
    toUnixTimestamp64Milli(created_at) AS created_at_ms,
    kafka_offset
FROM events FINAL
WHERE session_day = {session_day:Date}
    AND session_created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND session_created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
ORDER BY session_id
