-- Of the searches of _health_sessions.
CREATE OR REPLACE VIEW _health_events
AS SELECT event_id, object_id
FROM events FINAL
PREWHERE session_hour BETWEEN intDiv({from_ms:Int64}, 3600000) AND intDiv({to_ms:Int64}, 3600000)
    AND ({one_of:UInt64} < 50 OR session_hour % 5 = 0)
    AND session_hash <= intDiv(18446744073709551615, if({one_of:UInt64} < 50, {one_of:UInt64}, intDiv({one_of:UInt64}, 5)))
WHERE session_created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND session_created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
SETTINGS do_not_merge_across_partitions_select_final = 0
COMMENT 'Parameterised: the ids of the events of the searches of a range, or of one in so many'
