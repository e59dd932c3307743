-- Written by the first worker that meets topics which nobody has met before. Never altered.
CREATE TABLE IF NOT EXISTS _topic_epochs
(
    topic_ids String COMMENT 'Ids that Kafka gave the topics of sessions, events and marks, in this order',
    epoch UInt16 COMMENT 'What their rows carry in the version, before the offset',
    seen_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When they were met first'
)
ENGINE = MergeTree
ORDER BY (topic_ids, epoch)
COMMENT 'How often the topics were made anew: a higher epoch is a later one'
