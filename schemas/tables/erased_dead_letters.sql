CREATE TABLE IF NOT EXISTS erased_dead_letters
(
    dead_letter_hash FixedString(16) COMMENT 'First half of SHA-256 of the value of a dead letter' CODEC(NONE),
    user_hash FixedString(32) COMMENT 'Whose it was, as in erasures' CODEC(ZSTD(1)),
    erased_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it was found'
)
ENGINE = MergeTree
ORDER BY (user_hash, dead_letter_hash)
COMMENT 'Dead letters that were erased: the same bytes are not kept again'
