CREATE OR REPLACE VIEW _health_events
AS SELECT event_id, object_id
FROM events FINAL
WHERE session_hour BETWEEN intDiv({from_ms:Int64}, 3600000) AND intDiv({to_ms:Int64}, 3600000)
    AND session_created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND session_created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Parameterised: the ids of the events of every search of a range'
