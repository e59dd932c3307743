-- nodes: LOCAL
-- The five tables. Correct by key: a row written twice has the same key and the same version,
-- so replays and redeliveries collapse (ReplacingMergeTree, read with FINAL).
-- version: for sessions and events it falls as the Kafka offset rises (first wins), for marks it
-- rises with it (last wins).

CREATE TABLE IF NOT EXISTS sessions
(
    session_id String COMMENT 'Caller''s id of the search; one row per id, the first one posted' CODEC(ZSTD(1)),
    search_query String COMMENT 'The query as the user issued it' CODEC(ZSTD(1)),
    `search_results.object_id` Array(String) COMMENT 'Ids shown, in order; element n is position n' CODEC(ZSTD(1)),
    `search_results.rank` Array(Nullable(Float64)) COMMENT 'The caller''s own rank or score of each result, untouched' CODEC(ZSTD(1)),
    `search_results.meta` Array(Nullable(String)) COMMENT 'JSON text of each result''s meta, as sent' CODEC(ZSTD(1)),
    search_meta Nullable(String) COMMENT 'JSON object with execution metadata, as sent' CODEC(ZSTD(1)),
    payload_filter Nullable(String) COMMENT 'JSON object with the filters applied, as sent' CODEC(ZSTD(1)),
    sort_by Nullable(String) COMMENT 'JSON object with the sorting applied, as sent' CODEC(ZSTD(1)),
    user_id Nullable(String) COMMENT 'Who searched' CODEC(ZSTD(1)),
    created_at DateTime64(3, 'UTC') COMMENT 'When the search happened, by the caller''s clock' CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'When the edge took it' CODEC(Delta, ZSTD(1)),
    session_day Date COMMENT 'Day of created_at; 1970-01-01 when that is too far from received_at. Partition key' CODEC(ZSTD(1)),
    kafka_partition UInt32 COMMENT 'Partition of the sessions topic it came from' CODEC(T64, ZSTD(1)),
    kafka_offset UInt64 COMMENT 'Offset there' CODEC(Delta, ZSTD(1)),
    version UInt64 COMMENT 'Falls as the offset rises: the lowest offset wins' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY session_day
ORDER BY session_id
SETTINGS index_granularity = 1024, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1
COMMENT 'Every search, with the list that was shown. Read it with FINAL, or read relevant_sessions';

CREATE TABLE IF NOT EXISTS events
(
    session_id String COMMENT 'The search it belongs to; that session is stored' CODEC(ZSTD(1)),
    event_id String COMMENT 'Unique within its session' CODEC(ZSTD(1)),
    object_id String COMMENT 'The result that was interacted with' CODEC(ZSTD(1)),
    event_type LowCardinality(String) COMMENT 'click, add_to_cart, …' CODEC(ZSTD(1)),
    position UInt16 COMMENT '1-based place of the object in the session''s list; 0 when the session never listed it' CODEC(ZSTD(1)),
    meta Nullable(String) COMMENT 'JSON text as sent' CODEC(ZSTD(1)),
    created_at DateTime64(3, 'UTC') COMMENT 'When it happened, by the caller''s clock' CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'When the edge took it' CODEC(Delta, ZSTD(1)),
    session_created_at DateTime64(3, 'UTC') COMMENT 'created_at of its session' CODEC(Delta, ZSTD(1)),
    session_day Date COMMENT 'session_day of its session. Partition key' CODEC(ZSTD(1)),
    kafka_partition UInt32 COMMENT 'Partition of the events topic it came from' CODEC(T64, ZSTD(1)),
    kafka_offset UInt64 COMMENT 'Offset there' CODEC(Delta, ZSTD(1)),
    version UInt64 COMMENT 'Falls as the offset rises: the lowest offset wins' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY session_day
ORDER BY (session_id, event_id)
SETTINGS index_granularity = 1024, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1
COMMENT 'Every interaction whose session is stored. Read it with FINAL, or read relevant_events';

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
SETTINGS index_granularity = 1024
COMMENT 'Interactions whose session has not arrived; they move to events when it does';

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
SETTINGS index_granularity = 1024
COMMENT 'The last word on each session that was ever marked. Read it with FINAL';

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
    failed_at DateTime64(3, 'UTC') COMMENT 'When the worker gave up on it'
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, offset)
TTL toDateTime(failed_at) + INTERVAL 30 DAY
COMMENT 'Records that can never be processed, with their bytes as they were. Read it with FINAL';
