-- The arrays are unfolded side by side: an expression `object_id[place]` would copy the whole list
-- once for each of its places, which is quadratic in its length.
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
    session_day Nullable(Date) COMMENT 'Day of the session; NULL when it has none'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_id,
    place AS position,
    shown_object AS object_id,
    shown_rank AS rank,
    shown_meta AS meta,
    search_query, user_id, created_at, session_day
FROM
(
    SELECT
        session_id, search_results.object_id AS objects, search_results.rank AS ranks,
        search_results.meta AS metas, search_query, user_id, created_at,
        nullIf(sessions.session_day, toDate(0)) AS session_day
    FROM sessions FINAL
    WHERE session_id NOT IN (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant)
    SETTINGS do_not_merge_across_partitions_select_final = 1
)
ARRAY JOIN
    objects AS shown_object,
    ranks AS shown_rank,
    metas AS shown_meta,
    arrayMap(each -> toUInt16(each), arrayEnumerate(objects)) AS place
COMMENT 'One row per result shown in a session that counts. For some days of session_day: docs/sql.md, Large ranges'
