CREATE TABLE IF NOT EXISTS dead_letter_acts
(
    topic LowCardinality(String) COMMENT 'With the next two, the letter''s name: where it failed first',
    partition UInt32 COMMENT 'Its partition',
    offset UInt64 COMMENT 'Its offset',
    act LowCardinality(String) COMMENT 'replayed or purged',
    attempt UInt16 COMMENT 'The attempt that the replay began; of a purge, the last one there was',
    done_at DateTime64(3, 'UTC') COMMENT 'When'
)
ENGINE = ReplacingMergeTree(done_at)
ORDER BY (topic, partition, offset, act, attempt)
TTL toDateTime(done_at) + INTERVAL 400 DAY
COMMENT 'What operators did with dead letters; a rebuild of the tables from Kafka leaves it alone'
