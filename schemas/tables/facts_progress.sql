CREATE TABLE IF NOT EXISTS facts_progress
(
    topic LowCardinality(String) COMMENT 'Topic of sessions, of events or of marks',
    partition UInt32 COMMENT 'Its partition',
    epoch UInt16 COMMENT 'Epoch of the topics, as in _topic_epochs',
    offset UInt64 COMMENT 'session_facts has what all records below it have changed',
    noted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When a worker noted it'
)
ENGINE = ReplacingMergeTree(offset)
ORDER BY (topic, partition, epoch)
COMMENT 'How far session_facts follows the other tables. Read it with FINAL'
