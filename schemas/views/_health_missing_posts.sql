-- Offsets are given to every post, so numbers that no row has are posts that are not stored. For `posts_not_stored`
-- those of searches are counted; for `repeated_events` those of events of the newest day, of which the first of an id
-- is stored. Events of searches of up to 31 days before are read: those that come later look like repeated ones.
CREATE OR REPLACE VIEW _health_missing_posts
AS SELECT
    {finding:String} AS finding,
    toUInt64(sum(missing)) AS cases,
    toUInt64(sum(posts)) AS total,
    arrayMap(block -> concat('Kafka partition ', toString(block.2), ', offsets ', toString(block.3), ' to ',
        toString(block.4), ': ', toString(-block.1), ' not stored'),
        groupArraySortedArray(3)(blocks)) AS examples,
    toUInt64(1) AS one_of
FROM
(
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
            -- The first part of a place is the epoch of the topic: offsets begin again in each.
            bitShiftRight(min(place), 48) AS epoch,
            bitAnd(min(place), 281474976710655) AS first,
            bitAnd(max(place), 281474976710655) AS last,
            count() AS stored
        FROM
        (
            SELECT kafka_partition, bitNot(version) AS place
            FROM sessions FINAL
            WHERE {finding:String} = 'posts_not_stored'
                AND received_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
                AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
            SETTINGS do_not_merge_across_partitions_select_final = 1
            UNION ALL
            -- FINAL is asked of the searches alone that have events of the day: of 31 days it takes ten times as long.
            SELECT kafka_partition, bitNot(version)
            FROM events FINAL
            PREWHERE (session_hour, session_hash) IN (
                SELECT session_hour, session_hash
                FROM events
                WHERE {finding:String} = 'repeated_events'
                    AND received_at >= fromUnixTimestamp64Milli({to_ms:Int64} - 86400000, 'UTC')
                    AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
                    AND (session_day >= toDate(fromUnixTimestamp64Milli({to_ms:Int64} - 32 * 86400000, 'UTC'))
                        OR session_day = toDate(0))
            )
            WHERE received_at >= fromUnixTimestamp64Milli({to_ms:Int64} - 86400000, 'UTC')
                AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
                AND (session_day >= toDate(fromUnixTimestamp64Milli({to_ms:Int64} - 32 * 86400000, 'UTC'))
                    OR session_day = toDate(0))
            SETTINGS do_not_merge_across_partitions_select_final = 1
            UNION ALL
            SELECT kafka_partition, bitNot(version)
            FROM unjoined_events FINAL
            WHERE {finding:String} = 'repeated_events'
                AND received_at >= fromUnixTimestamp64Milli({to_ms:Int64} - 86400000, 'UTC')
                AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
            UNION ALL
            SELECT partition, bitShiftLeft(toUInt64(epoch), 48) + offset
            FROM dead_letters FINAL
            WHERE {finding:String} = 'repeated_events'
                AND endsWith(topic, 'events')
                AND failed_at >= fromUnixTimestamp64Milli({to_ms:Int64} - 86400000, 'UTC')
                AND failed_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        )
        GROUP BY kafka_partition, intDiv(place, 1000)
    )
    GROUP BY kafka_partition, epoch
)
COMMENT 'Parameterised: posts of searches, or posts of events of the newest day of a range, that are not stored'
