-- Reciprocal ranks as in session_measures. Groups are found by hashes of variants: these take one look at
-- each of the few names, and two numbers are the cheapest key.
CREATE OR REPLACE VIEW _experiment_users
AS SELECT
    any(searches.variant) AS variant,
    unit,
    any(user_hash) = 0 AS is_anonymous,
    count() AS sessions,
    countIf(searches.clicks > 0) AS sessions_with_click,
    countIf(searches.impressions = 0) AS zero_result_sessions,
    countIf(searches.impressions > 0) AS sessions_with_results,
    countIf(searches.impressions > 0 AND searches.clicks = 0) AS sessions_without_click,
    countIf(searches.min_position > 0) AS sessions_with_position,
    sum(searches.clicks) AS clicks,
    sum(searches.impressions) AS impressions,
    sum(searches.clicked_impressions) AS clicked_impressions,
    sum(searches.min_position) AS min_positions,
    sumIf(intDivOrZero(232792560, searches.min_position), searches.min_position > 0) AS reciprocal_ranks
FROM _experiment_sessions(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, relevance = {relevance:String},
    event_type = {event_type:String}, variant_field = {variant_field:String}
) AS searches
GROUP BY cityHash64(searches.variant), unit
COMMENT 'Parameterised: what each user of each variant did'
