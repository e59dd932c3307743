CREATE OR REPLACE VIEW _health_clock_skew
AS SELECT
    'clock_skew' AS finding,
    CAST(total >= 100 AND cases > threshold * total, 'Bool') AS is_found,
    toUInt64(countIf(is_skewed)) AS cases,
    toUInt64(count()) AS total,
    if(total = 0, NULL, cases / total) AS share,
    toFloat64(0.01) AS threshold,
    arrayMap(newest -> newest.2, groupArraySortedIf(3)(newest_first, is_skewed)) AS examples,
    concat(
        'Searches that say they were made more than a minute after they were received, or that have an ',
        'event more than a second before them.') AS meaning,
    concat(
        'Take created_at of a search and of its events from the same clock, in UTC, or leave it out: then ',
        'it is the time of receipt.') AS what_to_do
FROM (
    SELECT
        newest_first,
        created_at > received_at + INTERVAL 1 MINUTE
            OR arrayExists(first_ms -> first_ms < -1000, type_first_ms) AS is_skewed
    FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
)
COMMENT 'Parameterised: searches whose clocks cannot be right'
