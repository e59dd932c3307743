CREATE TABLE IF NOT EXISTS late_joins
(
    session_hash UInt64 COMMENT 'sipHash64 of the id of a stored session' CODEC(NONE),
    session_day Date COMMENT 'Its day' CODEC(ZSTD(1)),
    noted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'Just before its waiting events were joined'
)
ENGINE = MergeTree
ORDER BY (noted_at, session_hash)
COMMENT 'Sessions whose events were joined though both were stored long before: exports of what is new tell them'
