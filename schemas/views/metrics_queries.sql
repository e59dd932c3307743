-- Sums of session_measures, divided once.
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
    sum(measures.sessions) AS sessions,
    sum(measures.zero_result_sessions) AS zero_result_sessions,
    if(sessions = 0, NULL, zero_result_sessions / sessions) AS zero_result_rate,
    wilson_low(zero_result_sessions, sessions) AS zero_result_rate_low,
    wilson_high(zero_result_sessions, sessions) AS zero_result_rate_high,
    sum(measures.impressions) AS impressions,
    sum(measures.clicks) AS clicks,
    sum(measures.sessions_with_click) AS sessions_with_click,
    if(sessions = 0, NULL, sessions_with_click / sessions) AS session_ctr,
    wilson_low(sessions_with_click, sessions) AS session_ctr_low,
    wilson_high(sessions_with_click, sessions) AS session_ctr_high,
    sum(measures.sessions_with_results) AS sessions_with_results,
    sum(measures.sessions_without_click) AS sessions_without_click,
    if(sessions_with_results = 0, NULL, sessions_without_click / sessions_with_results) AS no_click_rate,
    wilson_low(sessions_without_click, sessions_with_results) AS no_click_rate_low,
    wilson_high(sessions_without_click, sessions_with_results) AS no_click_rate_high,
    sum(measures.reciprocal_ranks) AS reciprocal_ranks,
    if(sessions = 0, NULL, reciprocal_ranks / 232792560 / sessions) AS mean_reciprocal_rank
FROM session_measures(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}
) AS measures
GROUP BY search_query
COMMENT 'Parameterised: the numbers of each query text of a range. For a few million searches: docs/sql.md, Large ranges'
