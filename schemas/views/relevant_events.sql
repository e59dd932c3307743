-- FINAL as in relevant_sessions. 64 bits of a hash in place of the id:
-- docs/decisions/0013-hash-beside-events.md.
CREATE OR REPLACE VIEW relevant_events
(
    session_id String COMMENT 'The search it belongs to',
    event_id String COMMENT 'Unique within its session',
    object_id String COMMENT 'The result that was interacted with',
    event_type LowCardinality(String) COMMENT 'click, add_to_cart, …',
    position Nullable(UInt16) COMMENT '1-based place of the object in the session''s list; NULL when never listed',
    meta Nullable(String) COMMENT 'JSON text as sent',
    created_at DateTime64(3, 'UTC') COMMENT 'When it happened',
    received_at DateTime64(3, 'UTC') COMMENT 'When the edge took it',
    session_created_at DateTime64(3, 'UTC') COMMENT 'created_at of its session',
    session_day Nullable(Date) COMMENT 'Day of its session; NULL when that had none'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_id, event_id, object_id, event_type, nullIf(events.position, 0) AS position, meta, created_at,
    received_at, session_created_at, nullIf(events.session_day, toDate(0)) AS session_day
FROM events FINAL
WHERE session_hash NOT IN (SELECT sipHash64(session_id) FROM session_marks FINAL WHERE is_irrelevant)
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Interactions with sessions that count: each once'
