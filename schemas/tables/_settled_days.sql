-- Computed from sessions and events, and dropped with the day: docs/decisions/0007-session-facts.md.
CREATE TABLE IF NOT EXISTS _settled_days
(
    session_day Date COMMENT 'The day',
    build UInt64 COMMENT 'Its rows of _session_facts',
    parts Array(UInt128) COMMENT 'Checksum of each part that they were computed from, and of nothing else',
    built_at DateTime64(3, 'UTC') COMMENT 'When they were complete'
)
ENGINE = MergeTree
ORDER BY (session_day, built_at)
COMMENT 'Which facts are complete, and what they were computed from'
