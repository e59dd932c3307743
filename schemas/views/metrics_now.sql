-- Not of searches: no range and no filter changes it.
CREATE OR REPLACE VIEW metrics_now
(
    unjoined_events UInt64 COMMENT 'Events that wait for their session',
    oldest_unjoined_seconds Nullable(Int64) COMMENT 'Since the oldest of them was received; NULL when none waits',
    dead_letters UInt64 COMMENT 'Records that were refused, and are stored',
    freshness_seconds Nullable(Float64) COMMENT 'Since a worker last noted that session_facts is whole; NULL before any has'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT unjoined_events, oldest_unjoined_seconds, dead_letters, freshness_seconds
FROM
(
    -- With those that were adopted since the last clean-up, seconds ago: to leave them out, every id of
    -- every session would have to be read.
    SELECT
        count() AS unjoined_events,
        if(unjoined_events = 0, NULL, dateDiff('second', min(received_at), now64(3, 'UTC'))) AS oldest_unjoined_seconds
    FROM unjoined_events FINAL
) AS unjoined
CROSS JOIN (SELECT count() AS dead_letters FROM dead_letters FINAL) AS rejected
CROSS JOIN
(
    SELECT if(count() = 0, NULL, dateDiff('millisecond', max(noted_at), now64(3, 'UTC')) / 1000) AS freshness_seconds
    FROM facts_progress
) AS noted
COMMENT 'What waits now, and how old the numbers are'
