-- All searches of a range, also those that were marked: what is looked at is how they are sent.
CREATE OR REPLACE VIEW _health_sessions
AS SELECT
    session_id, created_at, received_at, user_id, result_ids, results, events, type_names, type_counts, clicks,
    clicked_positions_mask, clicked_positions_over_64, unlisted_clicks, type_first_ms,
    -- The smallest are the newest.
    (-toUnixTimestamp64Milli(created_at), session_id) AS newest_first
FROM session_facts FINAL
WHERE session_hour BETWEEN intDiv({from_ms:Int64}, 3600000) AND intDiv({to_ms:Int64}, 3600000)
    AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Parameterised: the facts of every search of a range'
