-- Offsets are given to every post, so numbers that no row has are posts that are not stored.
CREATE OR REPLACE VIEW _health_posts_not_stored
AS SELECT
    'posts_not_stored' AS finding,
    toUInt64(sum(missing)) AS cases,
    toUInt64(sum(posts)) AS total,
    arrayMap(block -> concat('Kafka partition ', toString(block.2), ', offsets ', toString(block.3), ' to ',
        toString(block.4), ': ', toString(-block.1), ' not stored'),
        groupArraySortedArray(3)(blocks)) AS examples,
    toUInt64(1) AS one_of
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
            bitShiftRight(first_place, 48) AS epoch,
            bitAnd(first_place, 281474976710655) AS first,
            bitAnd(last_place, 281474976710655) AS last,
            stored
        FROM
        (
            SELECT
                kafka_partition,
                intDiv(bitNot(version), 1000) AS block,
                min(bitNot(version)) AS first_place,
                max(bitNot(version)) AS last_place,
                count() AS stored
            FROM sessions FINAL
            WHERE received_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
                AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
            GROUP BY kafka_partition, block
            SETTINGS do_not_merge_across_partitions_select_final = 1
        )
    )
    GROUP BY kafka_partition, epoch
)
COMMENT 'Parameterised: posts of sessions that are not stored'
