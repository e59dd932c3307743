-- size0 is the subcolumn of the lengths of the lists; length() would read every id of every list.
CREATE OR REPLACE VIEW impressions
(
    session_id String COMMENT 'The search in which it was shown',
    position UInt16 COMMENT '1-based place in the list',
    object_id String COMMENT 'What was shown',
    rank Nullable(Float64) COMMENT 'The caller''s own rank or score',
    meta Nullable(String) COMMENT 'JSON text of the result''s meta',
    search_query String COMMENT 'The query of the search',
    user_id Nullable(String) COMMENT 'Who searched',
    created_at DateTime64(3, 'UTC') COMMENT 'When the search happened',
    session_day Date COMMENT 'Partition of the session'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_id,
    toUInt16(place) AS position,
    search_results.object_id[place] AS object_id,
    search_results.rank[place] AS rank,
    search_results.meta[place] AS meta,
    search_query, user_id, created_at, session_day
FROM
(
    SELECT
        session_id, search_results.object_id, search_results.rank, search_results.meta,
        search_results.object_id.size0 AS shown, search_query, user_id, created_at, session_day
    FROM sessions FINAL
    WHERE session_id NOT IN (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant)
    SETTINGS do_not_merge_across_partitions_select_final = 1
)
ARRAY JOIN range(1, shown + 1) AS place
COMMENT 'One row per result shown in a session that counts'
