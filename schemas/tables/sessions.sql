-- Correct by key: a row that is written twice has the same key and the same version, so redelivered
-- rows collapse. version falls as the Kafka offset rises: the first record of an id wins.
-- materialize_ttl_recalculate_only: a changed retention (schemas/retention.py) computes anew when
-- parts expire, and rewrites no row.
CREATE TABLE IF NOT EXISTS sessions
(
    session_id String COMMENT 'Caller''s id of the search; one row per id, the first one posted' CODEC(ZSTD(1)),
    search_query String COMMENT 'The query as the user issued it' CODEC(ZSTD(1)),
    `search_results.object_id` Array(String) COMMENT 'Ids shown, in order; element n is position n' CODEC(ZSTD(1)),
    `search_results.rank` Array(Nullable(Float64)) COMMENT 'The caller''s own rank or score of each result, untouched' CODEC(ZSTD(3)),
    `search_results.meta` Array(Nullable(String)) COMMENT 'JSON text of each result''s meta, as sent' CODEC(ZSTD(1)),
    search_meta Nullable(String) COMMENT 'JSON object with execution metadata, as sent' CODEC(ZSTD(1)),
    payload_filter Nullable(String) COMMENT 'JSON object with the filters applied, as sent' CODEC(ZSTD(1)),
    sort_by Nullable(String) COMMENT 'JSON object with the sorting applied, as sent' CODEC(ZSTD(1)),
    user_id Nullable(String) COMMENT 'Who searched' CODEC(ZSTD(1)),
    created_at DateTime64(3, 'UTC') COMMENT 'When the search happened, by the caller''s clock' CODEC(T64, ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'When the edge took it' CODEC(T64, ZSTD(1)),
    session_day Date COMMENT 'Day of created_at; 1970-01-01 when that is too far from received_at. Partition key' CODEC(ZSTD(1)),
    kafka_partition UInt32 COMMENT 'Partition of the sessions topic it came from' CODEC(T64, ZSTD(1)),
    kafka_offset UInt64 COMMENT 'Offset there' CODEC(T64, ZSTD(1)),
    version UInt64 COMMENT 'Falls as the offset rises: the lowest offset wins' CODEC(T64, ZSTD(1)),
    result_teams Array(LowCardinality(String)) MATERIALIZED if(
        arrayExists(meta -> position(ifNull(meta, ''), '"team"') > 0, `search_results.meta`),
        arrayMap(meta -> JSONExtract(ifNull(meta, ''), 'team', 'String'), `search_results.meta`),
        []
    ) COMMENT 'meta.team of each result, by which interleaving gives credit; empty when no result has one' CODEC(ZSTD(1)),
    INDEX by_id session_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_version version TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY session_day
ORDER BY session_id
SETTINGS
    index_granularity = 1024,
    min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1,
    min_compress_block_size = 8192,
    max_compress_block_size = 32768,
    string_serialization_version = 'single_stream',
    materialize_ttl_recalculate_only = 1
COMMENT 'Every search, with the list that was shown. Read it with FINAL, or read relevant_sessions'
