-- Expected clicks: each impression expects what results at its own position get on average over the
-- whole range. In billionths, so that no order of threads changes a digit.
CREATE OR REPLACE VIEW metrics_judgments
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH
    -- Wilson's interval of 95 % of a rate: docs/metrics.md, "Intervals".
    (hits, of) -> greatest(0., (hits + 1.920729410347062
        - 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124)) AS wilson_low,
    (hits, of) -> least(1., (hits + 1.920729410347062
        + 1.959963984540054 * sqrt(hits / of * (of - hits) + 0.960364705173531)) / (of + 3.841458820694124)) AS wilson_high
SELECT
    search_query,
    object_id,
    sum(shown.impressions) AS impressions,
    sum(shown.clicked_impressions) AS clicked_impressions,
    sum(average.expected) / 1000000000 AS expected_clicks,
    clicked_impressions / impressions AS ctr,
    wilson_low(clicked_impressions, impressions) AS ctr_low,
    wilson_high(clicked_impressions, impressions) AS ctr_high,
    if(expected_clicks = 0, NULL, clicked_impressions / expected_clicks) AS coec,
    if(expected_clicks = 0, NULL, ctr_low * impressions / expected_clicks) AS coec_low,
    if(expected_clicks = 0, NULL, ctr_high * impressions / expected_clicks) AS coec_high,
    uniqExact(position) AS positions_seen,
    min(position) AS highest_position,
    max(position) AS lowest_position,
    min(created_at) AS first_seen,
    max(created_at) AS last_seen
FROM session_objects(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}
) AS shown
LEFT JOIN
(
    SELECT toUInt32(position) AS at, toUInt64(round(1000000000 * position_ctr)) AS expected
    FROM metrics_positions(
        from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
        relevance = {relevance:String}, event_type = {event_type:String}, limit = 65535
    )
) AS average ON average.at = shown.position
GROUP BY search_query, object_id
COMMENT 'Parameterised: clicks over impressions and over expected clicks of each object for each query'
