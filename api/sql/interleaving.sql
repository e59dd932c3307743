-- What /analytics/interleaving compares, one row per team.
SELECT
    team, searches, won, lost, tied, searches_without_credit, users, users_for, users_against, users_tied,
    score_squares, search_squares, products
FROM metrics_interleaving(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, relevance = {relevance:String},
    event_type = {event_type:String}, control = {control:String}
)
ORDER BY team
LIMIT {limit:UInt32}
