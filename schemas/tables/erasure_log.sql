CREATE TABLE IF NOT EXISTS erasure_log
(
    user_hash FixedString(32) COMMENT 'Whose data it was, as in erasures',
    cut_off DateTime64(3, 'UTC') COMMENT 'What the edge took until then was erased',
    requested_by Nullable(String) COMMENT 'Name of the key that asked',
    sessions UInt64 COMMENT 'How many sessions of that user are erased by now',
    deleted Map(String, UInt64) COMMENT 'Rows deleted in this run, by table',
    finished_at DateTime64(3, 'UTC') COMMENT 'When no row was left, counted with deleted rows included'
)
ENGINE = MergeTree
ORDER BY finished_at
COMMENT 'Every erasure that was completed, for the audit'
