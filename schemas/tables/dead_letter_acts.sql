CREATE TABLE IF NOT EXISTS dead_letter_acts
(
    topic LowCardinality(String) COMMENT 'With partition, offset and epoch, the name of the dead letter: where it failed first',
    partition UInt32 COMMENT 'Its partition',
    offset UInt64 COMMENT 'Its offset',
    act LowCardinality(String) COMMENT 'republished or purged',
    attempt UInt16 COMMENT 'The attempt that republishing began; of a purge, the last attempt',
    done_at DateTime64(3, 'UTC') COMMENT 'When',
    epoch UInt16 DEFAULT 0 COMMENT 'Its epoch'
)
ENGINE = ReplacingMergeTree(done_at)
ORDER BY (topic, partition, offset, epoch, act, attempt)
TTL toDateTime(done_at) + INTERVAL 400 DAY
COMMENT 'What operators did with dead letters; a rebuild of the tables from Kafka leaves it alone'
