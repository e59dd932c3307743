-- Joined events, every row of each; the caller keeps the row of the highest version, which is the
-- first one posted. Events carry the day of their session: the days prune partitions.
SELECT
    session_id,
    event_id,
    object_id,
    event_type,
    position,
    toUnixTimestamp64Milli(created_at) AS created_at_ms,
    toUnixTimestamp64Milli(received_at) AS received_at_ms,
    version
FROM events
PREWHERE session_hash IN (SELECT sipHash64(arrayJoin({session_ids:Array(String)})))
    AND session_id IN {session_ids:Array(String)}
WHERE session_day IN {session_days:Array(Date)} AND event_id IN {event_ids:Array(String)}
