-- The metrics of /analytics/overview, in one row.
SELECT
    sessions, users, zero_result_sessions, zero_result_rate, zero_result_rate_low, zero_result_rate_high,
    impressions, events, unlisted_events, clicks, sessions_with_click, session_ctr AS click_through_rate,
    session_ctr_low AS click_through_rate_low, session_ctr_high AS click_through_rate_high,
    mean_reciprocal_rank, irrelevant_sessions, unjoined_events, dead_letters
FROM metrics_overview(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
    relevance = {relevance:String}, event_type = {event_type:String}
)
CROSS JOIN
(
    -- With those that were adopted since the last clean-up, seconds ago: to leave them out, every id of
    -- every session would have to be read.
    SELECT count() AS unjoined_events FROM unjoined_events FINAL
) AS unjoined
CROSS JOIN (SELECT count() AS dead_letters FROM dead_letters FINAL) AS rejected
