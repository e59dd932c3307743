-- Versions as in sessions. The key begins with the hour of the session, so that the events of sessions
-- that are written to now lie together: their facts are computed every few seconds
-- (docs/decisions/0021-facts-by-key.md). An hour never changes, so the key still names one event.
CREATE TABLE IF NOT EXISTS events
(
    session_id String COMMENT 'The search it belongs to; that session is stored' CODEC(LZ4),
    event_id String COMMENT 'Unique within its session' CODEC(ZSTD(1)),
    object_id String COMMENT 'The result that was interacted with' CODEC(ZSTD(1)),
    event_type LowCardinality(String) COMMENT 'click, add_to_cart, …' CODEC(ZSTD(1)),
    position UInt16 COMMENT '1-based place of the object in the session''s list; 0 when the session never listed it' CODEC(ZSTD(1)),
    meta Nullable(String) COMMENT 'JSON text as sent' CODEC(ZSTD(1)),
    created_at DateTime64(3, 'UTC') COMMENT 'When it happened, by the caller''s clock' CODEC(T64, ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'When the edge took it' CODEC(T64, ZSTD(1)),
    session_created_at DateTime64(3, 'UTC') COMMENT 'created_at of its session' CODEC(Delta, ZSTD(1)),
    session_day Date COMMENT 'session_day of its session. Partition key' CODEC(ZSTD(1)),
    kafka_partition UInt32 COMMENT 'Partition of the events topic it came from' CODEC(T64, ZSTD(1)),
    kafka_offset UInt64 COMMENT 'Offset there' CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'Falls as the offset rises: the lowest offset wins' CODEC(T64, ZSTD(1)),
    session_hour Int32 MATERIALIZED toInt32(intDiv(toUnixTimestamp64Milli(session_created_at), 3600000)) COMMENT 'Hours from 1970 to session_created_at' CODEC(T64, ZSTD(1)),
    session_hash UInt64 MATERIALIZED sipHash64(session_id) COMMENT 'sipHash64 of session_id' CODEC(LZ4),
    INDEX by_version version TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY session_day
PRIMARY KEY (session_hour, session_hash)
ORDER BY (session_hour, session_hash, session_id, event_id)
SETTINGS
    index_granularity = 1024,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1,
    min_compress_block_size = 8192,
    max_compress_block_size = 32768,
    string_serialization_version = 'single_stream',
    materialize_ttl_recalculate_only = 1
COMMENT 'Every interaction whose session is stored. Read it with FINAL, or read relevant_events'
