-- How FINAL is read is pinned in the view, because it belongs to the reader: one session has one day,
-- so partitions need not be compared with each other.
CREATE OR REPLACE VIEW relevant_sessions
(
    session_id String COMMENT 'Caller''s id of the search',
    search_query String COMMENT 'The query as the user issued it',
    result_object_ids Array(String) COMMENT 'Ids shown, in order; element n is position n',
    result_ranks Array(Nullable(Float64)) COMMENT 'The caller''s own rank or score of each result',
    result_metas Array(Nullable(String)) COMMENT 'JSON text of each result''s meta',
    search_meta Nullable(String) COMMENT 'JSON object with execution metadata',
    payload_filter Nullable(String) COMMENT 'JSON object with the filters applied',
    sort_by Nullable(String) COMMENT 'JSON object with the sorting applied',
    user_id Nullable(String) COMMENT 'Who searched',
    created_at DateTime64(3, 'UTC') COMMENT 'When the search happened',
    received_at DateTime64(3, 'UTC') COMMENT 'When the edge took it',
    session_day Nullable(Date) COMMENT 'Day of created_at (UTC); NULL when that was too far from received_at'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_id, search_query, search_results.object_id AS result_object_ids, search_results.rank AS result_ranks,
    search_results.meta AS result_metas, search_meta, payload_filter, sort_by, user_id, created_at, received_at,
    nullIf(sessions.session_day, toDate(0)) AS session_day
FROM sessions FINAL
WHERE session_id NOT IN (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant)
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Sessions that count: each once, without those marked irrelevant'
