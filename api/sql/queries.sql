-- The metrics of /analytics/queries, one row per query.
SELECT
    search_query, sessions, zero_result_sessions, zero_result_rate, zero_result_rate_low,
    zero_result_rate_high, impressions, clicks, sessions_with_click, session_ctr AS click_through_rate,
    session_ctr_low AS click_through_rate_low, session_ctr_high AS click_through_rate_high,
    mean_reciprocal_rank
FROM metrics_queries(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}
)
WHERE sessions >= {min_sessions:UInt64}
ORDER BY
    {direction:Int8} * multiIf(
        {order:String} = 'sessions', toFloat64(sessions),
        {order:String} = 'clicks', toFloat64(clicks),
        {order:String} = 'zero_result_rate', zero_result_rate,
        {order:String} = 'click_through_rate', session_ctr,
        mean_reciprocal_rank),
    search_query
LIMIT {limit:UInt32}
