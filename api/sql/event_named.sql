-- Joined events of one id in the searches since an hour, the latest searches first. An id is unique within its
-- session only, so there may be many: read in the order of the key, the first ones end the query.
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
PREWHERE session_hour >= {from_hour:Int32} AND event_id = {event_id:String}
ORDER BY session_hour DESC, session_hash DESC, session_id DESC, event_id DESC
LIMIT {rows:UInt32}
