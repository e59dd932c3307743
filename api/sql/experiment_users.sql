-- Who took part in an experiment.
SELECT users, users_in_several_variants, sessions_at_quantile
FROM metrics_experiment_users(
    from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, relevance = {relevance:String},
    event_type = {event_type:String}, variant_field = {variant_field:String}, quantile = {quantile:Float64}
)
