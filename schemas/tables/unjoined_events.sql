CREATE TABLE IF NOT EXISTS unjoined_events
(
    session_id String COMMENT 'The search it names; that session has not arrived' CODEC(ZSTD(1)),
    event_id String COMMENT 'Unique within its session' CODEC(ZSTD(1)),
    object_id String COMMENT 'The result that was interacted with' CODEC(ZSTD(1)),
    event_type LowCardinality(String) COMMENT 'click, add_to_cart, …' CODEC(ZSTD(1)),
    meta Nullable(String) COMMENT 'JSON text as sent' CODEC(ZSTD(1)),
    created_at DateTime64(3, 'UTC') COMMENT 'When it happened, by the caller''s clock' CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'When the edge took it; kept 30 days from then' CODEC(Delta, ZSTD(1)),
    age_seconds Int64 ALIAS dateDiff('second', received_at, now64(3, 'UTC')) COMMENT 'How long it has waited',
    kafka_partition UInt32 COMMENT 'Partition of the events topic it came from' CODEC(T64, ZSTD(1)),
    kafka_offset UInt64 COMMENT 'Offset there' CODEC(Delta, ZSTD(1)),
    version UInt64 COMMENT 'Falls as the offset rises: the lowest offset wins' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (session_id, event_id)
TTL toDateTime(received_at) + INTERVAL 30 DAY
SETTINGS index_granularity = 1024, materialize_ttl_recalculate_only = 1
COMMENT 'Interactions whose session has not arrived; they move to events when it does'
