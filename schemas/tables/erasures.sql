-- Hashes only, never the id of a user or a session. Rows are only added, never replaced: workers see
-- by their number whether anything is new. A row that is there twice means what it means once.
-- docs/decisions/0010-erasure.md has the argument.
CREATE TABLE IF NOT EXISTS erasures
(
    user_hash FixedString(32) COMMENT 'SHA-256 of the user id as it was stored' CODEC(NONE),
    cut_off DateTime64(3, 'UTC') COMMENT 'What the edge took until then is erased; the latest of a user counts',
    requested_at DateTime64(3, 'UTC') COMMENT 'When it was asked for',
    requested_by Nullable(String) COMMENT 'Name of the key that asked'
)
ENGINE = MergeTree
ORDER BY user_hash
COMMENT 'Users that were erased. Rows come from the topic of erasures'
