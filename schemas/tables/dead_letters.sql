CREATE TABLE IF NOT EXISTS dead_letters
(
    topic LowCardinality(String) COMMENT 'Where the record was read',
    partition UInt32 COMMENT 'Its partition',
    offset UInt64 COMMENT 'Its offset there',
    reason LowCardinality(String) COMMENT 'One word: why it can never be processed',
    error String COMMENT 'The same, for a person' CODEC(ZSTD(1)),
    key Nullable(String) COMMENT 'Original key bytes' CODEC(ZSTD(1)),
    value Nullable(String) COMMENT 'Original value bytes' CODEC(ZSTD(1)),
    headers Array(Tuple(name String, value Nullable(String))) COMMENT 'Original headers' CODEC(ZSTD(1)),
    failed_at DateTime64(3, 'UTC') COMMENT 'When the worker gave up on it',
    first_partition UInt32 DEFAULT partition COMMENT 'Where its first attempt was read: with topic, first_offset and first_epoch, the dead letter''s name',
    first_offset UInt64 DEFAULT offset COMMENT 'Offset of its first attempt',
    attempt UInt16 DEFAULT 1 COMMENT '1; more when it was republished and failed again',
    cut_bytes UInt64 DEFAULT 0 COMMENT 'How much of an oversize record is not kept',
    epoch UInt16 DEFAULT 0 COMMENT 'Of the topic: a higher one is a later topic of the same name, whose offsets began again',
    first_epoch UInt16 DEFAULT epoch COMMENT 'Of the topic where its first attempt was read'
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, offset, epoch)
TTL toDateTime(failed_at) + INTERVAL 30 DAY
SETTINGS materialize_ttl_recalculate_only = 1
COMMENT 'Records that can never be processed, with their bytes as they were. Read it with FINAL'
