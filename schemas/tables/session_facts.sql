-- One row per session: what it showed and what came of it. Written by the worker that owns the
-- session's partition (stream_processors/write/facts.py), recomputed whenever something of the session
-- changes; docs/decisions/0021-facts-by-key.md has the argument. version has session_version in its
-- upper half, and below it the sum of the versions of all other rows that it was computed from: it rises
-- with content alone.
-- A row of so many columns is dear to merge, and most are replaced within minutes: so fewer, larger merges.
CREATE TABLE IF NOT EXISTS session_facts
(
    session_id String COMMENT 'Caller''s id of the search' CODEC(ZSTD(1)),
    session_day Date COMMENT 'session_day of the session. Partition key' CODEC(ZSTD(1)),
    session_hour Int32 COMMENT 'Hours from 1970 to created_at: sorts what is written together' CODEC(T64, ZSTD(1)),
    session_hash UInt64 COMMENT 'sipHash64 of session_id' CODEC(NONE),
    created_at DateTime64(3, 'UTC') COMMENT 'When the search happened' CODEC(T64, ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'When the edge took it' CODEC(T64, ZSTD(1)),
    search_query String COMMENT 'The query as the user issued it' CODEC(ZSTD(1)),
    query_bucket UInt32 MATERIALIZED sipHash64(search_query) % 262144 COMMENT 'One of 262,144 groups of query texts, by which the most frequent ones are found' CODEC(T64, ZSTD(1)),
    user_id Nullable(String) COMMENT 'Who searched' CODEC(ZSTD(1)),
    user_hash UInt64 COMMENT 'sipHash64 of user_id; 0 without one' CODEC(LZ4),
    is_irrelevant Bool COMMENT 'The last mark of the session',
    variants Map(String, String) COMMENT 'Fields of search_meta that name a variant of an experiment, and their values' CODEC(ZSTD(1)),
    variant_set LowCardinality(String) MATERIALIZED toJSONString(variants) COMMENT 'variants as JSON text: what is asked of it is asked once of each that occurs' CODEC(ZSTD(1)),
    dimensions Map(String, String) COMMENT 'The paths of CLICKSTREAM_DIMENSIONS, such as search_meta.device, and their values' CODEC(ZSTD(1)),
    dimension_set LowCardinality(String) MATERIALIZED toJSONString(dimensions) COMMENT 'dimensions as JSON text, for the same reason' CODEC(ZSTD(1)),
    sort_field LowCardinality(String) COMMENT 'field of sort_by; empty without one' CODEC(ZSTD(1)),
    result_ids Array(String) COMMENT 'Ids shown, in order; element n is position n' CODEC(ZSTD(1)),
    result_teams Array(LowCardinality(String)) COMMENT 'meta.team of each result; empty when no result has one' CODEC(ZSTD(1)),
    result_dimension_sets Array(LowCardinality(String)) COMMENT 'Of each result, the paths of CLICKSTREAM_DIMENSIONS below search_results.meta and their values, as JSON text; empty when no result has one' CODEC(ZSTD(1)),
    results UInt32 COMMENT 'Results shown' CODEC(T64, ZSTD(1)),
    events UInt32 COMMENT 'Interactions of any type' CODEC(T64, ZSTD(1)),
    type_names Array(LowCardinality(String)) COMMENT 'Types of the events, each once, in their order' CODEC(ZSTD(1)),
    type_counts Array(UInt32) COMMENT 'How many are of each of type_names, whatever their number' CODEC(ZSTD(1)),
    type_unlisted Array(UInt32) COMMENT 'How many of these are on objects that were not listed' CODEC(ZSTD(1)),
    type_positions_masks Array(UInt64) COMMENT 'Of each type, as clicked_positions_mask' CODEC(ZSTD(1)),
    type_positions_over_64 Array(Array(UInt16)) COMMENT 'Of each type, as clicked_positions_over_64' CODEC(ZSTD(1)),
    type_first_ms Array(Int64) COMMENT 'Of each type, milliseconds from created_at to its first event' CODEC(ZSTD(1)),
    type_value_counts Array(UInt32) COMMENT 'How many of each type have what CLICKSTREAM_EVENT_VALUE names; empty when none has' CODEC(ZSTD(1)),
    type_values Array(Int64) COMMENT 'The sum of these, in ten-thousandths' CODEC(ZSTD(1)),
    unlisted_events UInt32 COMMENT 'Events on objects that were not listed' CODEC(T64, ZSTD(1)),
    clicks UInt32 COMMENT 'Events of type click' CODEC(T64, ZSTD(1)),
    unlisted_clicks UInt32 COMMENT 'Clicks on objects that were not listed' CODEC(T64, ZSTD(1)),
    clicks_with_value UInt32 COMMENT 'Clicks that have what CLICKSTREAM_EVENT_VALUE names' CODEC(T64, ZSTD(1)),
    click_values Int64 COMMENT 'The sum of these, in ten-thousandths' CODEC(T64, ZSTD(1)),
    min_clicked_position UInt16 COMMENT 'Smallest clicked position; 0: none' CODEC(T64, ZSTD(1)),
    clicked_positions_mask UInt64 COMMENT 'Bit n - 1 is set when position n was clicked; positions 1 to 64' CODEC(T64, ZSTD(1)),
    clicked_positions_over_64 Array(UInt16) COMMENT 'Clicked positions beyond 64, ascending' CODEC(ZSTD(1)),
    clicked_results UInt32 MATERIALIZED bitCount(clicked_positions_mask) + length(clicked_positions_over_64) COMMENT 'Results that were clicked' CODEC(T64, ZSTD(1)),
    first_click_ms Nullable(Int64) COMMENT 'Milliseconds from created_at to the first click; below 0 when clocks differ' CODEC(ZSTD(1)),
    purchases UInt32 MATERIALIZED type_counts[indexOf(type_names, 'purchase')] COMMENT 'Events of type purchase: the columns of clicks once more' CODEC(T64, ZSTD(1)),
    unlisted_purchases UInt32 MATERIALIZED type_unlisted[indexOf(type_names, 'purchase')] COMMENT 'As unlisted_clicks' CODEC(T64, ZSTD(1)),
    purchases_with_value UInt32 MATERIALIZED type_value_counts[indexOf(type_names, 'purchase')] COMMENT 'As clicks_with_value' CODEC(T64, ZSTD(1)),
    purchase_values Int64 MATERIALIZED type_values[indexOf(type_names, 'purchase')] COMMENT 'As click_values' CODEC(T64, ZSTD(1)),
    purchased_positions_mask UInt64 MATERIALIZED type_positions_masks[indexOf(type_names, 'purchase')] COMMENT 'As clicked_positions_mask' CODEC(T64, ZSTD(1)),
    purchased_positions_over_64 Array(UInt16) MATERIALIZED type_positions_over_64[indexOf(type_names, 'purchase')] COMMENT 'As clicked_positions_over_64' CODEC(ZSTD(1)),
    min_purchased_position UInt16 MATERIALIZED if(purchased_positions_mask > 0, bitCount(bitXor(purchased_positions_mask, purchased_positions_mask - 1)), purchased_positions_over_64[1]) COMMENT 'As min_clicked_position' CODEC(T64, ZSTD(1)),
    purchased_results UInt32 MATERIALIZED bitCount(purchased_positions_mask) + length(purchased_positions_over_64) COMMENT 'As clicked_results' CODEC(T64, ZSTD(1)),
    first_purchase_ms Nullable(Int64) MATERIALIZED if(has(type_names, 'purchase'), toNullable(type_first_ms[indexOf(type_names, 'purchase')]), NULL) COMMENT 'As first_click_ms' CODEC(ZSTD(1)),
    last_event_ms Nullable(Int64) COMMENT 'Milliseconds from created_at to the last event' CODEC(ZSTD(1)),
    event_types Array(LowCardinality(String)) COMMENT 'Types of the first 1,000 events, by time' CODEC(ZSTD(1)),
    event_positions Array(UInt16) COMMENT 'Their positions; 0: not listed' CODEC(ZSTD(1)),
    event_after_ms Array(Int64) COMMENT 'Their milliseconds after created_at' CODEC(ZSTD(1)),
    event_values Array(Nullable(Int64)) COMMENT 'What CLICKSTREAM_EVENT_VALUE names in their metas, in ten-thousandths; empty when it names nothing' CODEC(ZSTD(1)),
    session_version UInt64 COMMENT 'version of the session''s row' CODEC(T64, ZSTD(1)),
    version UInt256 COMMENT 'session_version * 2^128 + the versions of all other rows it was computed from: the highest wins' CODEC(LZ4)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY session_day
PRIMARY KEY (session_hour, session_hash)
ORDER BY (session_hour, session_hash, session_id)
SETTINGS
    index_granularity = 2048,
    merge_selector_base = 8,
    min_age_to_force_merge_seconds = 900,
    min_age_to_force_merge_on_partition_only = 1,
    enable_max_bytes_limit_for_min_age_to_force_merge = 1,
    string_serialization_version = 'single_stream',
    materialize_ttl_recalculate_only = 1
COMMENT 'What each session showed and what came of it. Read it with FINAL, or read session_outcomes'
