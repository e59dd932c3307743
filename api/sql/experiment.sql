-- What /analytics/experiment compares, one row per variant and metric.
SELECT
    variant, metric, users, outlier_users, sessions, anonymous_sessions, numerator, denominator, value,
    numerator_squares, denominator_squares, products, parts, weight
FROM metrics_experiment(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, relevance = {relevance:String},
    event_type = {event_type:String}, variant_field = {variant_field:String},
    outliers = {outliers:String}, most_sessions = {most_sessions:UInt64}
)
ORDER BY variant
LIMIT {limit:UInt32}
