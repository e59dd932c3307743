-- Integers are summed and divided once, so that no order of threads changes a digit: a reciprocal rank
-- counts in parts of 232,792,560, which the numbers up to 22 divide; beyond, it is off by less than
-- 5 billionths.
CREATE OR REPLACE VIEW metrics_overview
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH
    -- Wilson's interval of 95 % of a rate: docs/metrics.md, "Intervals".
    (hits, of) -> if(of = 0, NULL, greatest(0., (hits + 1.920729410347062
        - 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124))) AS wilson_low,
    (hits, of) -> if(of = 0, NULL, least(1., (hits + 1.920729410347062
        + 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124))) AS wilson_high
SELECT
    countIf(is_selected) AS sessions,
    uniqExactIf(user_hash, is_selected AND user_hash != 0) AS users,
    countIf(is_selected AND results = 0) AS zero_result_sessions,
    if(sessions = 0, NULL, zero_result_sessions / sessions) AS zero_result_rate,
    wilson_low(zero_result_sessions, sessions) AS zero_result_rate_low,
    wilson_high(zero_result_sessions, sessions) AS zero_result_rate_high,
    sumIf(results, is_selected) AS impressions,
    sumIf(facts.events, is_selected) AS events,
    sumIf(facts.unlisted_events, is_selected) AS unlisted_events,
    sumIf(goal_events, is_selected) AS clicks,
    countIf(is_selected AND goal_events > 0) AS sessions_with_click,
    if(sessions = 0, NULL, sessions_with_click / sessions) AS session_ctr,
    wilson_low(sessions_with_click, sessions) AS session_ctr_low,
    wilson_high(sessions_with_click, sessions) AS session_ctr_high,
    sumIf(intDivOrZero(232792560, min_position), is_selected AND min_position > 0) AS reciprocal_ranks,
    if(sessions = 0, NULL, reciprocal_ranks / 232792560 / sessions) AS mean_reciprocal_rank,
    countIf(is_irrelevant) AS irrelevant_sessions
FROM _session_goals(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}
) AS facts
COMMENT 'Parameterised: the numbers of all sessions of a range together'
