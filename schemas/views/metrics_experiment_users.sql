CREATE OR REPLACE VIEW metrics_experiment_users
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    count() AS users,
    countIf(is_in_several) AS users_in_several_variants,
    -- 0 without users
    toUInt64(quantileExactWeighted({quantile:Float64})(sessions, 1)) AS sessions_at_quantile
FROM
(
    SELECT unit, count() AS sessions, min(cityHash64(variant)) != max(cityHash64(variant)) AS is_in_several
    FROM _experiment_sessions(
        from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, relevance = {relevance:String},
        event_type = {event_type:String}, variant_field = {variant_field:String}
    )
    GROUP BY unit
)
COMMENT 'Parameterised: how many users took part in an experiment, and how many searches of one user are more than those of a share of all users'
