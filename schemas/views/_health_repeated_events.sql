-- Offsets are given to every post, so numbers that no row has are posts that are not stored: of events, those
-- of an id that was sent before. Without FINAL: what is not merged yet is two rows, so cases are rather too few.
-- Events of searches of up to 31 days before are read: those that come later look like repeated ones.
CREATE OR REPLACE VIEW _health_repeated_events
AS SELECT
    'repeated_events' AS finding,
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
        SELECT kafka_partition, epoch, min(offset) AS first, max(offset) AS last, count() AS stored
        FROM
        (
            -- The first part of a version is the epoch of the topic: offsets begin again in each.
            SELECT kafka_partition, bitShiftRight(bitNot(version), 48) AS epoch, kafka_offset AS offset
            FROM events
            WHERE received_at >= fromUnixTimestamp64Milli({to_ms:Int64} - 86400000, 'UTC')
                AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
                AND (session_day >= toDate(fromUnixTimestamp64Milli({to_ms:Int64} - 32 * 86400000, 'UTC'))
                    OR session_day = toDate(0))
            UNION ALL
            SELECT kafka_partition, bitShiftRight(bitNot(version), 48), kafka_offset
            FROM unjoined_events FINAL
            WHERE received_at >= fromUnixTimestamp64Milli({to_ms:Int64} - 86400000, 'UTC')
                AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
            UNION ALL
            SELECT partition, toUInt64(epoch), offset
            FROM dead_letters FINAL
            WHERE endsWith(topic, 'events')
                AND failed_at >= fromUnixTimestamp64Milli({to_ms:Int64} - 86400000, 'UTC')
                AND failed_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        )
        GROUP BY kafka_partition, epoch, intDiv(offset, 1000)
    )
    GROUP BY kafka_partition, epoch
)
COMMENT 'Parameterised: posts of events of the newest day of a range that are not stored'
