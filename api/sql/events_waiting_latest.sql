-- The events that wait for their session, the latest first, behind a place in that order.
SELECT
    session_id,
    event_id,
    object_id,
    event_type,
    toUnixTimestamp64Milli(created_at) AS created_at_ms,
    toUnixTimestamp64Milli(received_at) AS received_at_ms,
    version
FROM unjoined_events FINAL
WHERE (-toUnixTimestamp64Milli(received_at), session_id, event_id)
    > (-{after_ms:Int64}, unhex({after_session_hex:String}), unhex({after_event_hex:String}))
ORDER BY received_at DESC, session_id, event_id
LIMIT {rows:UInt32}
