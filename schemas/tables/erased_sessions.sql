CREATE TABLE IF NOT EXISTS erased_sessions
(
    session_hash FixedString(16) COMMENT 'First half of SHA-256 of the session id' CODEC(NONE),
    user_hash FixedString(32) COMMENT 'Whose it was, as in erasures' CODEC(ZSTD(1)),
    erased_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it was found'
)
ENGINE = MergeTree
ORDER BY (user_hash, session_hash)
COMMENT 'Sessions that were erased: nothing that names one is stored again'
