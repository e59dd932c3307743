-- nodes: LOCAL
-- To leave out what was marked, every event's session id was compared with the marked ones: 80 million
-- strings are most of what the view cost. 64 bits of a hash are an eighth of that, and lie beside each event
-- (docs/decisions/0013-hash-beside-events.md: what they cost, and what it means that they are not the id).
-- Parts that exist compute them while they are read, until they are merged next; at once, and for
-- good:  ALTER TABLE events MATERIALIZE COLUMN session_hash

ALTER TABLE events
    ADD COLUMN IF NOT EXISTS session_hash UInt64 MATERIALIZED sipHash64(session_id)
        COMMENT 'sipHash64 of session_id: what relevant_events compares with the marks' CODEC(LZ4);

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
WHERE session_hash NOT IN (SELECT sipHash64(session_id) FROM session_marks FINAL WHERE is_irrelevant)
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Interactions with sessions that count: each once';
