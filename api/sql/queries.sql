-- The counts for /analytics/queries, one row per query.
WITH irrelevant AS
(
    SELECT reinterpretAsUInt128(sipHash128(session_id)) FROM session_marks FINAL WHERE is_irrelevant
)
SELECT
    search_query,
    countIf(is_session_row) AS sessions,
    countIf(is_session_row AND results = 0) AS zero_result_sessions,
    sumIf(results, is_session_row) AS impressions,
    sum(goal_events) AS clicks,
    countIf(goal_events > 0) AS sessions_with_click,
    sumIf(1 / min_position, min_position > 0) AS reciprocal_ranks
FROM
(
    SELECT
        search_query,
        facts.impressions AS results,
        facts.clicks AS goal_events,
        clicked_position AS min_position,
        $is_session_row AS is_session_row
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
