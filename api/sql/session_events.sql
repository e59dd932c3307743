-- The joined events of sessions, every row of each; the caller keeps the row of the highest version
-- of each event, which is the first one posted. The days prune partitions: events carry the day of
-- their session. Hours and hashes are the primary key.
SELECT
    session_id,
    event_id,
    object_id,
    event_type,
    position,
    meta,
    toUnixTimestamp64Milli(created_at) AS created_at_ms,
    kafka_offset,
    version
FROM events
PREWHERE session_hour IN {session_hours:Array(Int32)}
    AND session_hash IN (SELECT sipHash64(arrayJoin({session_ids:Array(String)})))
WHERE session_day IN {session_days:Array(Date)} AND session_id IN {session_ids:Array(String)}
