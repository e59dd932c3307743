-- Reciprocal ranks as in metrics_overview.
CREATE OR REPLACE VIEW metrics_queries
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH
    -- Wilson's interval of 95 % of a rate: docs/metrics.md, "Intervals".
    (hits, of) -> if(of = 0, NULL, greatest(0., (hits + 1.920729410347062
        - 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124))) AS wilson_low,
    (hits, of) -> if(of = 0, NULL, least(1., (hits + 1.920729410347062
        + 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124))) AS wilson_high
SELECT
    search_query,
    count() AS sessions,
    countIf(results = 0) AS zero_result_sessions,
    zero_result_sessions / sessions AS zero_result_rate,
    wilson_low(zero_result_sessions, sessions) AS zero_result_rate_low,
    wilson_high(zero_result_sessions, sessions) AS zero_result_rate_high,
    sum(results) AS impressions,
    sum(goal_events) AS clicks,
    countIf(goal_events > 0) AS sessions_with_click,
    sessions_with_click / sessions AS session_ctr,
    wilson_low(sessions_with_click, sessions) AS session_ctr_low,
    wilson_high(sessions_with_click, sessions) AS session_ctr_high,
    sumIf(intDivOrZero(232792560, min_position), min_position > 0) AS reciprocal_ranks,
    reciprocal_ranks / 232792560 / sessions AS mean_reciprocal_rank
FROM _session_goals(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}
)
WHERE is_selected
GROUP BY search_query
COMMENT 'Parameterised: the numbers of each query text of a range'
