-- Of each topic its partitions and how far workers have written them, over all epochs: a position is
-- the epoch, and below it 48 bits of offset. One row, also when nothing is noted.
SELECT
    arrayMap(topic -> arrayMap(each -> each.2, arrayFilter(each -> each.1 = topic, noted)),
        {topics:Array(String)}) AS partitions,
    arrayMap(topic -> arrayMap(each -> each.3, arrayFilter(each -> each.1 = topic, noted)),
        {topics:Array(String)}) AS positions,
    toUnixTimestamp64Milli(now64(3)) AS at_ms
FROM
(
    SELECT groupArray((toString(topic), partition, position)) AS noted
    FROM
    (
        SELECT topic, partition, max(bitShiftLeft(toUInt64(epoch), 48) + offset) AS position
        FROM facts_progress
        WHERE topic IN {topics:Array(String)}
        GROUP BY topic, partition
    )
)
