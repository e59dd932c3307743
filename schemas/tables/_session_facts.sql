-- Computed from sessions and events, and dropped with the day: docs/decisions/0007-session-facts.md.
CREATE TABLE IF NOT EXISTS _session_facts
(
    session_day Date COMMENT 'Partition of the session' CODEC(ZSTD(1)),
    build UInt64 COMMENT 'The computation it belongs to; _settled_days names those that are complete' CODEC(ZSTD(1)),
    session_id String COMMENT 'Caller''s id of the search' CODEC(ZSTD(1)),
    session_key UInt128 COMMENT 'sipHash128 of session_id: quicker to compare' CODEC(NONE),
    created_at DateTime64(3, 'UTC') COMMENT 'When the search happened' CODEC(T64, ZSTD(1)),
    search_query String COMMENT 'The query as the user issued it' CODEC(ZSTD(1)),
    user_id Nullable(String) COMMENT 'Who searched' CODEC(ZSTD(1)),
    user_key UInt128 COMMENT 'sipHash128 of user_id; 0 without one' CODEC(LZ4),
    impressions UInt32 COMMENT 'Results shown' CODEC(T64, ZSTD(1)),
    events UInt32 COMMENT 'Interactions of any type' CODEC(T64, ZSTD(1)),
    unlisted_events UInt32 COMMENT 'Of these, those on objects that were not listed' CODEC(T64, ZSTD(1)),
    clicks UInt32 COMMENT 'Events of type click' CODEC(T64, ZSTD(1)),
    clicked_position UInt16 COMMENT 'Smallest clicked position; 0: none' CODEC(T64, ZSTD(1)),
    clicked_places UInt64 COMMENT 'Bit n - 1 is set when position n was clicked; positions 1 to 64' CODEC(T64, ZSTD(1)),
    clicked_deep Array(UInt16) COMMENT 'Clicked positions beyond 64' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (session_day, build)
ORDER BY search_query
COMMENT 'What each session of a settled day showed and what came of it. Read _session_facts_now'
