-- One partition's joined events, each once, in the order of their sessions' ids. Of marked sessions
-- alone, those of all that were ever marked: a mark may be taken back while the export runs.
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
    AND ({relevance:String} != 'only' OR session_id IN (SELECT session_id FROM session_marks))
ORDER BY session_id
