-- nodes: LOCAL
-- What data engineers read: no duplicates, nothing that was marked irrelevant. How FINAL is read is
-- pinned here, because it belongs to the reader: one session has one day, so partitions need not be
-- compared with each other.

CREATE OR REPLACE VIEW relevant_sessions
(
    session_id String COMMENT 'Caller''s id of the search',
    search_query String COMMENT 'The query as the user issued it',
    `search_results.object_id` Array(String) COMMENT 'Ids shown, in order; element n is position n',
    `search_results.rank` Array(Nullable(Float64)) COMMENT 'The caller''s own rank or score of each result',
    `search_results.meta` Array(Nullable(String)) COMMENT 'JSON text of each result''s meta',
    search_meta Nullable(String) COMMENT 'JSON object with execution metadata',
    payload_filter Nullable(String) COMMENT 'JSON object with the filters applied',
    sort_by Nullable(String) COMMENT 'JSON object with the sorting applied',
    user_id Nullable(String) COMMENT 'Who searched',
    created_at DateTime64(3, 'UTC') COMMENT 'When the search happened',
    received_at DateTime64(3, 'UTC') COMMENT 'When the edge took it',
    session_day Date COMMENT 'Partition; 1970-01-01 when created_at was too far from received_at'
)
AS SELECT
    session_id, search_query, search_results.object_id, search_results.rank, search_results.meta,
    search_meta, payload_filter, sort_by, user_id, created_at, received_at, session_day
FROM sessions FINAL
WHERE session_id NOT IN (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant)
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Sessions that count: each once, without those marked irrelevant';

CREATE OR REPLACE VIEW relevant_events
(
    session_id String COMMENT 'The search it belongs to',
    event_id String COMMENT 'Unique within its session',
    object_id String COMMENT 'The result that was interacted with',
    event_type LowCardinality(String) COMMENT 'click, add_to_cart, …',
    position UInt16 COMMENT '1-based place of the object in the session''s list; 0 when never listed',
    meta Nullable(String) COMMENT 'JSON text as sent',
    created_at DateTime64(3, 'UTC') COMMENT 'When it happened',
    received_at DateTime64(3, 'UTC') COMMENT 'When the edge took it',
    session_created_at DateTime64(3, 'UTC') COMMENT 'created_at of its session',
    session_day Date COMMENT 'Partition of its session'
)
AS SELECT
    session_id, event_id, object_id, event_type, position, meta, created_at, received_at,
    session_created_at, session_day
FROM events FINAL
WHERE session_id NOT IN (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant)
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Interactions with sessions that count: each once';

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
AS SELECT
    session_id,
    toUInt16(place) AS position,
    shown_id AS object_id,
    shown_rank AS rank,
    shown_meta AS meta,
    search_query, user_id, created_at, session_day
FROM relevant_sessions
ARRAY JOIN
    search_results.object_id AS shown_id,
    search_results.rank AS shown_rank,
    search_results.meta AS shown_meta,
    arrayEnumerate(search_results.object_id) AS place
COMMENT 'One row per result shown in a session that counts';
