-- version rises with the Kafka offset: the last mark of a session wins.
CREATE TABLE IF NOT EXISTS session_marks
(
    session_id String COMMENT 'The session marked; it may not have arrived yet' CODEC(ZSTD(1)),
    is_irrelevant Bool COMMENT 'true: left out of analytics and training data',
    marked_by Nullable(String) COMMENT 'Name of the key that asked' CODEC(ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'When the edge took it' CODEC(Delta, ZSTD(1)),
    kafka_partition UInt32 COMMENT 'Partition of the marks topic it came from' CODEC(T64, ZSTD(1)),
    kafka_offset UInt64 COMMENT 'Offset there' CODEC(Delta, ZSTD(1)),
    version UInt64 COMMENT 'Rises with the offset: the highest offset wins' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY session_id
SETTINGS
    index_granularity = 1024,
    min_compress_block_size = 8192,
    max_compress_block_size = 32768,
    string_serialization_version = 'single_stream',
    materialize_ttl_recalculate_only = 1
COMMENT 'The last word on each session that was ever marked. Read it with FINAL'
