-- The counts behind /analytics/queries: one row per query text.
WITH irrelevant AS
(
    SELECT reinterpretAsUInt128(sipHash128(session_id)) FROM session_marks FINAL WHERE is_irrelevant
)
SELECT
    search_query,
    countIf(counts) AS sessions,
    countIf(counts AND shown = 0) AS zero_result_sessions,
    sumIf(shown, counts) AS impressions,
    sum(of_type) AS clicks,
    countIf(of_type > 0) AS sessions_with_click,
    sumIf(1 / best, best > 0) AS reciprocal_ranks
FROM
(
    SELECT
        search_query,
        facts.impressions AS shown,
        facts.clicks AS of_type,
        clicked_position AS best,
        $counts AS counts
    FROM $facts AS facts
    WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01')
        AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        AND ({relevance:String} = 'include'
            OR session_key IN irrelevant = ({relevance:String} = 'only'))
)
GROUP BY search_query
HAVING sessions >= {min_sessions:UInt64}
ORDER BY
    {direction:Int8} * multiIf(
        {order:String} = 'sessions', toFloat64(sessions),
        {order:String} = 'clicks', toFloat64(clicks),
        {order:String} = 'zero_result_rate', zero_result_sessions / sessions,
        {order:String} = 'click_through_rate', sessions_with_click / sessions,
        reciprocal_ranks / sessions),
    search_query
LIMIT {limit:UInt32}
