-- All searches of a range, or one in so many, also those that were marked: what is looked at is how they
-- are sent. From one in 50 on they are of every fifth hour, which is one that differs from day to day: to read
-- few rows of a block costs as much as to read all of it. The conditions of PREWHERE are on the sorting
-- key, so that rows that replace each other are taken or left together.
CREATE OR REPLACE VIEW _health_sessions
AS SELECT
    session_id, session_hour, session_hash, created_at, received_at, user_id, result_ids, results, events, type_names,
    type_counts, clicks,
    clicked_positions_mask, clicked_positions_over_64, unlisted_clicks, type_first_ms,
    -- The smallest are the newest.
    (-toUnixTimestamp64Milli(created_at), session_id) AS newest_first
FROM session_facts FINAL
PREWHERE session_hour BETWEEN intDiv({from_ms:Int64}, 3600000) AND intDiv({to_ms:Int64}, 3600000)
    AND ({one_of:UInt64} < 50 OR session_hour % 5 = 0)
    AND session_hash <= intDiv(18446744073709551615, if({one_of:UInt64} < 50, {one_of:UInt64}, intDiv({one_of:UInt64}, 5)))
WHERE created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
SETTINGS do_not_merge_across_partitions_select_final = 0
COMMENT 'Parameterised: the facts of the searches of a range, or of one in so many'
