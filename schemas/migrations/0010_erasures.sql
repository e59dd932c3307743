-- nodes: LOCAL
-- Whose data was erased and must not be stored again: hashes only, never a user's or session's id.
-- Rows are only added, never replaced: workers see by their number whether anything is new. A row
-- more than once means what it means once. docs/decisions/0010-erasure.md has the argument.

CREATE TABLE IF NOT EXISTS erasures
(
    user_hash FixedString(32) COMMENT 'SHA-256 of the user id as it was stored' CODEC(NONE),
    cut_off DateTime64(3, 'UTC') COMMENT 'What the edge took until then is erased; the latest of a user counts',
    requested_at DateTime64(3, 'UTC') COMMENT 'When it was asked for',
    requested_by Nullable(String) COMMENT 'Name of the key that asked'
)
ENGINE = MergeTree
ORDER BY user_hash
COMMENT 'Users that were erased. Rows come from the topic of erasures';

CREATE TABLE IF NOT EXISTS erased_sessions
(
    session_hash FixedString(16) COMMENT 'First half of SHA-256 of the session id' CODEC(NONE),
    user_hash FixedString(32) COMMENT 'Whose it was, as in erasures' CODEC(ZSTD(1)),
    erased_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it was found'
)
ENGINE = MergeTree
ORDER BY (user_hash, session_hash)
COMMENT 'Sessions that were erased: nothing that names one is stored again';

CREATE TABLE IF NOT EXISTS erased_letters
(
    letter_hash FixedString(16) COMMENT 'First half of SHA-256 of the value of a dead letter' CODEC(NONE),
    user_hash FixedString(32) COMMENT 'Whose it was, as in erasures' CODEC(ZSTD(1)),
    erased_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it was found'
)
ENGINE = MergeTree
ORDER BY (user_hash, letter_hash)
COMMENT 'Dead letters that were erased: the same bytes are not kept again';

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
COMMENT 'Every erasure that was completed, for the audit';
