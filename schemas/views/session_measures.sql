-- Every metric of sessions is a sum of these columns, or one of them divided by another
-- (docs/metrics.md). All are integers, so that no order of threads changes a digit: a reciprocal rank
-- counts in parts of 232,792,560, which the numbers up to 22 divide (beyond, it is off by less than 5
-- billionths), nDCG in billionths, and values in ten-thousandths.
CREATE OR REPLACE VIEW session_measures
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    facts.session_id AS session_id,
    facts.created_at AS created_at,
    facts.search_query AS search_query,
    facts.user_id AS user_id,
    facts.user_hash AS user_hash,
    facts.sort_field AS sort_field,
    facts.dimensions AS dimensions,
    facts.variants AS variants,
    facts.type_names AS event_types,
    toUInt64(1) AS sessions,
    toUInt64(facts.results = 0) AS zero_result_sessions,
    toUInt64(facts.results > 0) AS sessions_with_results,
    toUInt64(facts.results) AS impressions,
    toUInt64(facts.events) AS events,
    toUInt64(facts.unlisted_events) AS unlisted_events,
    toUInt64(facts.goal_events) AS clicks,
    toUInt64(facts.unlisted_goals) AS unlisted_clicks,
    toUInt64(facts.goal_events > 0) AS sessions_with_click,
    toUInt64(facts.results > 0 AND facts.goal_events > 0) AS sessions_with_results_and_click,
    toUInt64(facts.results > 0 AND facts.goal_events = 0) AS sessions_without_click,
    toUInt64(facts.results > 0 AND facts.events = 0) AS abandoned_sessions,
    toUInt64(facts.has_click) AS clicked_sessions,
    toUInt64(facts.has_click AND facts.goal_events > 0) AS clicked_and_converted_sessions,
    toUInt64(bitCount(facts.positions_mask) + length(facts.positions_over_64)) AS clicked_impressions,
    toUInt64(facts.min_position > 0) AS sessions_with_position,
    toUInt64(facts.min_position) AS first_click_positions,
    toUInt64(intDivOrZero(232792560, facts.min_position)) AS reciprocal_ranks,
    arrayMap(depth -> if(facts.min_position = 0, toUInt64(0), toUInt64(round(1000000000
        * arraySum(bit -> 1 / log2(bit + 2), bitPositionsToArray(
            bitAnd(facts.positions_mask, toUInt64(exp2(depth)) - 1)))
        / arraySum(place -> 1 / log2(place + 1), range(1, 1 + least(depth,
            bitCount(facts.positions_mask) + length(facts.positions_over_64))))
    ))), [5, 10, 20]) AS ndcg,
    ndcg[1] AS ndcg_sum_5,
    ndcg[2] AS ndcg_sum_10,
    ndcg[3] AS ndcg_sum_20,
    facts.first_goal_ms AS first_click_ms,
    toUInt64(ifNull(facts.first_goal_ms >= 0, 0)) AS sessions_with_first_click,
    toUInt64(ifNull(facts.first_goal_ms < 0, 0)) AS sessions_with_early_click,
    toUInt64(length(facts.goal_values)) AS events_with_value,
    toInt64(arraySum(facts.goal_values)) AS values
FROM _session_goals(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}
) AS facts
WHERE facts.is_selected
COMMENT 'Parameterised: what each session of a range adds to every metric'
