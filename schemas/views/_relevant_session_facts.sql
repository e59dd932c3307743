CREATE OR REPLACE VIEW _relevant_session_facts
AS SELECT
    session_id, nullIf(session_day, toDate(0)) AS session_day, created_at, search_query, user_id, user_hash,
    dimensions, sort_field, results, events, unlisted_events, clicks, min_clicked_position, clicked_positions_mask,
    clicked_positions_over_64, first_click_ms
FROM session_facts FINAL
WHERE NOT is_irrelevant
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The facts of the sessions that count'
