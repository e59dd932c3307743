-- The metrics of /analytics/positions, one row per position of the list, from the top.
SELECT
    position, impressions, clicked_impressions, position_ctr AS click_through_rate,
    position_ctr_low AS click_through_rate_low, position_ctr_high AS click_through_rate_high
FROM metrics_positions(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, relevance = {relevance:String},
    event_type = {event_type:String}, limit = {limit:UInt32}
)
ORDER BY position
