-- A session without a user is a unit of its own.
CREATE OR REPLACE VIEW _experiment_sessions
AS SELECT
    -- The name as JSON has it, without its quotes.
    simpleJSONExtractString(facts.variant_set, substring(
        toJSONString({variant_field:String}), 2, length(toJSONString({variant_field:String})) - 2)) AS variant,
    user_hash,
    if(user_hash = 0, session_hash, user_hash) AS unit,
    facts.results AS impressions,
    goal_events AS clicks,
    facts.min_position AS min_position,
    results_with_goal AS clicked_impressions
FROM _session_goals(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}
) AS facts
WHERE is_selected AND variant != ''
COMMENT 'Parameterised: the sessions of a range that took part in an experiment'
