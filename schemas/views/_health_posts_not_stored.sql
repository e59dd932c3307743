-- Offsets are given to every post, so numbers that no row has are posts that are not stored.
CREATE OR REPLACE VIEW _health_posts_not_stored
AS SELECT
    'posts_not_stored' AS finding,
    CAST(total >= 100 AND cases > threshold * total, 'Bool') AS is_found,
    toUInt64(sum(missing)) AS cases,
    toUInt64(sum(posts)) AS total,
    if(total = 0, NULL, cases / total) AS share,
    toFloat64(0.05) AS threshold,
    arrayMap(block -> concat('Kafka partition ', toString(block.2), ', offsets ', toString(block.3), ' to ',
        toString(block.4), ': ', toString(-block.1), ' not stored'),
        groupArraySortedArray(3)(blocks)) AS examples,
    concat(
        'Posts of sessions between the first and the last that are stored of the range (by time of ',
        'receipt) which are not: the first post of a session_id stands, so all others are not stored; nor ',
        'are dead letters, and what was erased.') AS meaning,
    concat(
        'Use a new session_id for each search, also for the same query again; `clickstream dlq list` ',
        'shows whether they are dead letters.') AS what_to_do
FROM (
    SELECT
        kafka_partition,
        greatest(0, toInt64(max(last) - min(first) + 1) - toInt64(sum(stored))) AS missing,
        max(last) - min(first) + 1 AS posts,
        groupArraySortedIf(3)(
            (toInt64(stored) - toInt64(last - first + 1), kafka_partition, first, last), last - first + 1 > stored
        ) AS blocks
    FROM
    (
        SELECT
            kafka_partition,
            -- The first part of a version is the epoch of the topic: offsets begin again in each.
            bitShiftRight(bitNot(version), 48) AS epoch,
            min(kafka_offset) AS first,
            max(kafka_offset) AS last,
            count() AS stored
        FROM sessions FINAL
        WHERE received_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        GROUP BY kafka_partition, epoch, intDiv(kafka_offset, 1000)
        SETTINGS do_not_merge_across_partitions_select_final = 1
    )
    GROUP BY kafka_partition, epoch
)
COMMENT 'Parameterised: posts of sessions that are not stored'
