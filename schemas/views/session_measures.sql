-- Every metric of sessions is a sum of these columns, or one of them divided by another
-- (docs/metrics.md). All are integers, so that no order of threads changes a digit: a reciprocal rank
-- counts in parts of 232,792,560, which the numbers up to 22 divide (beyond, it is off by less than 5
-- billionths), nDCG in billionths, and values in ten-thousandths.
CREATE OR REPLACE VIEW session_measures
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH
    first -> arrayMap(bits -> arraySum(bit -> 1 / log2(first + bit + 2), bitPositionsToArray(bits)), range(32)) AS gains_from,
    -- Events on one object that follow each other are one visit, which ends when the next begins: the
    -- moment after the last one is later than any time.
    arrayResize(arrayPushFront(facts.event_positions, 0), length(facts.event_positions)) AS positions_before,
    arraySplit(
        (event, position, before) -> position = 0 OR position != before,
        arrayZip(facts.event_types, facts.event_after_ms), facts.event_positions, positions_before) AS visits,
    arrayMap(visit -> visit[1].2, visits) AS visits_begin,
    arrayResize(arrayPopFront(visits_begin), length(visits_begin), toInt64(4000000000000000)) AS visits_end,
    -- In billionths of the gain that so many clicked results have at most; 0 without one.
    (gain, depth, clicked) -> toUInt64(gain * arrayMap(ideal -> 1000000000 / ideal,
        arrayCumSum(arrayMap(place -> 1 / log2(place + 1), range(1, depth + 1))))[least(depth, clicked)] + 0.5) AS ndcg
SELECT
    facts.session_id AS session_id,
    facts.created_at AS created_at,
    facts.search_query AS search_query,
    facts.query_bucket AS query_bucket,
    facts.user_id AS user_id,
    facts.user_hash AS user_hash,
    facts.session_hash AS session_hash,
    facts.sort_field AS sort_field,
    facts.dimensions AS dimensions,
    facts.dimension_set AS dimension_set,
    facts.variants AS variants,
    facts.type_names AS event_types,
    facts.result_dimension_sets AS result_dimension_sets,
    facts.result_goals AS result_clicks,
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
    toUInt64(facts.results_with_goal) AS clicked_impressions,
    toUInt64(facts.min_position > 0) AS sessions_with_position,
    toUInt64(facts.min_position) AS first_click_positions,
    toUInt64(intDivOrZero(232792560, facts.min_position)) AS reciprocal_ranks,
    -- Gains of five positions at a time are looked up by the bits that say which of them were clicked.
    gains_from(0)[bitAnd(facts.positions_mask, 31) + 1] AS gain_5,
    gain_5 + gains_from(5)[bitAnd(bitShiftRight(facts.positions_mask, 5), 31) + 1] AS gain_10,
    gain_10 + gains_from(10)[bitAnd(bitShiftRight(facts.positions_mask, 10), 31) + 1]
        + gains_from(15)[bitAnd(bitShiftRight(facts.positions_mask, 15), 31) + 1] AS gain_20,
    ndcg(gain_5, 5, clicked_impressions) AS ndcg_sum_5,
    ndcg(gain_10, 10, clicked_impressions) AS ndcg_sum_10,
    ndcg(gain_20, 20, clicked_impressions) AS ndcg_sum_20,
    facts.first_goal_ms AS first_click_ms,
    toUInt64(ifNull(facts.first_goal_ms >= 0, 0)) AS sessions_with_first_click,
    toUInt64(ifNull(facts.first_goal_ms < 0, 0)) AS sessions_with_early_click,
    arrayFlatten(arrayMap(
        (visit, end) -> arrayMap(event -> (event.2, end), arrayFilter(event -> event.1 = {event_type:String}, visit)),
        visits, visits_end)) AS click_spans,
    toUInt64(facts.goals_with_value) AS events_with_value,
    facts.goal_values AS values
FROM _session_goals(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}
) AS facts
WHERE facts.is_selected
COMMENT 'Parameterised: what each session of a range adds to every metric'
