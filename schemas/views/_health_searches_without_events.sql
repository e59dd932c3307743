CREATE OR REPLACE VIEW _health_searches_without_events
AS SELECT
    'searches_without_events' AS finding,
    CAST(total >= 20 AND cases > threshold * total, 'Bool') AS is_found,
    toUInt64(sumIf(searches, is_silent)) AS cases,
    toUInt64(sum(searches)) AS total,
    if(total = 0, NULL, cases / total) AS share,
    toFloat64(0) AS threshold,
    arrayMap(newest -> newest.2, groupArraySortedIf(3)(newest_search, is_silent)) AS examples,
    concat(
        'Searches in 24 hours (counted back from the end of the range) in which 20 or more searches came ',
        'and not one event of any of them.') AS meaning,
    concat(
        'See that the page posts events, with the session_id of its search, and what status it gets: ',
        '`clickstream tail` shows both while you click.') AS what_to_do
FROM (
    SELECT
        intDiv({to_ms:Int64} - 1 - toUnixTimestamp64Milli(created_at), 86400000) AS days_back,
        count() AS searches,
        searches >= 20 AND sum(events) = 0 AS is_silent,
        min(newest_first) AS newest_search
    FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
    GROUP BY days_back
)
COMMENT 'Parameterised: whole days of searches without an event'
