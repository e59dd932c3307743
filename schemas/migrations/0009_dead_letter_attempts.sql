-- nodes: LOCAL
-- A letter may be put back into its topic and fail again: it is then another row of the same letter.
-- docs/dead-letters.md says what can be done with letters.

ALTER TABLE dead_letters
    ADD COLUMN IF NOT EXISTS first_partition UInt32 DEFAULT partition COMMENT 'Where its first attempt was read: with topic and first_offset, the letter''s name',
    ADD COLUMN IF NOT EXISTS first_offset UInt64 DEFAULT offset COMMENT 'Offset of its first attempt',
    ADD COLUMN IF NOT EXISTS attempt UInt16 DEFAULT 1 COMMENT '1; more when it was replayed and failed again',
    ADD COLUMN IF NOT EXISTS cut_bytes UInt64 DEFAULT 0 COMMENT 'How much of an oversize record is not kept';

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
COMMENT 'What operators did with dead letters; a rebuild of the tables from Kafka leaves it alone';
