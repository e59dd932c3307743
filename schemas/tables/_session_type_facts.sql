-- Computed from sessions and events, and dropped with the day: docs/decisions/0007-session-facts.md.
CREATE TABLE IF NOT EXISTS _session_type_facts
(
    session_day Date COMMENT 'Partition of the session' CODEC(ZSTD(1)),
    build UInt64 COMMENT 'As in _session_facts: complete when _settled_days names it' CODEC(ZSTD(1)),
    event_type LowCardinality(String) COMMENT 'Any but click, which has columns in _session_facts' CODEC(ZSTD(1)),
    session_key UInt128 COMMENT 'sipHash128 of session_id' CODEC(NONE),
    created_at DateTime64(3, 'UTC') COMMENT 'When the search happened' CODEC(T64, ZSTD(1)),
    search_query String COMMENT 'The query as the user issued it' CODEC(ZSTD(1)),
    impressions UInt32 COMMENT 'Results shown' CODEC(T64, ZSTD(1)),
    events UInt32 COMMENT 'Events of the type' CODEC(T64, ZSTD(1)),
    position UInt16 COMMENT 'Smallest position of such an event; 0: none' CODEC(T64, ZSTD(1)),
    places UInt64 COMMENT 'Bit n - 1 is set when one was at position n; positions 1 to 64' CODEC(T64, ZSTD(1)),
    deep Array(UInt16) COMMENT 'Their positions beyond 64' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (session_day, build)
ORDER BY (event_type, search_query)
COMMENT 'What came of each session of a settled day, by type of event. A session without such events has no row'
