-- The counts behind /analytics/queries: one row per query text.
WITH irrelevant AS (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant)
SELECT
    search_query,
    count() AS sessions,
    countIf(shown = 0) AS zero_result_sessions,
    sum(shown) AS impressions,
    sum(of_type) AS clicks,
    countIf(of_type > 0) AS sessions_with_click,
    sumIf(1 / best, best > 0) AS reciprocal_ranks
FROM
(
    SELECT session_id, search_query, length(search_results.object_id) AS shown
    FROM sessions FINAL
    WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01')
        AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        AND ({relevance:String} = 'include'
            OR session_id IN irrelevant = ({relevance:String} = 'only'))
) AS searched
LEFT JOIN
(
    SELECT session_id, count() AS of_type, minIf(position, position > 0) AS best
    FROM events FINAL
    WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01')
        AND session_created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND session_created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        AND event_type = {event_type:String}
    GROUP BY session_id
) AS done USING (session_id)
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
