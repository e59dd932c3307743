-- One row per variant and metric. A metric is numerator / denominator. Both are summed for each user
-- first: the squares and products of these sums give the variance of the quotient (docs/metrics.md).
-- All are integers, so that no order of threads changes a digit: numerators count in `parts`, as
-- reciprocal ranks do in session_measures.
-- Users with more than `most_sessions` are outliers: `outliers` keeps them, or leaves them out, or
-- winsorises: they count as if they had made that many searches, in the same proportions, and all
-- numbers are thousandths.
CREATE OR REPLACE VIEW metrics_experiment
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    variant,
    metric,
    users,
    outlier_users,
    sessions,
    anonymous_sessions,
    numerator,
    denominator,
    if(denominator = 0, NULL, numerator / parts / denominator) AS value,
    numerator_squares,
    denominator_squares,
    products,
    parts,
    toUInt32(if({outliers:String} = 'winsorise', 1000, 1)) AS weight
FROM
(
    SELECT
        variant,
        countIf(is_kept) AS users,
        countIf(is_outlier) AS outlier_users,
        sumIf(summed.sessions, is_kept) AS sessions,
        sumIf(summed.sessions, is_kept AND is_anonymous) AS anonymous_sessions,
        sumForEachIf(numerators, is_kept) AS numerators_sum,
        sumForEachIf(denominators, is_kept) AS denominators_sum,
        sumForEachIf(arrayMap(x -> x * x, numerators), is_kept) AS numerators_squared,
        sumForEachIf(arrayMap(x -> x * x, denominators), is_kept) AS denominators_squared,
        sumForEachIf(arrayMap((x, y) -> x * y, numerators, denominators), is_kept) AS multiplied
    FROM
    (
        WITH arrayMap(
            x -> if({outliers:String} = 'winsorise',
                toUInt128(toUInt64(toFloat64(x) * 1000. * least(1., {most_sessions:UInt64} / sessions))), x),
            -- Numerators and denominators in the order of the names below.
            [
                toUInt128(sessions_with_click), clicks, clicked_impressions, reciprocal_ranks, min_positions,
                zero_result_sessions, sessions_without_click, sessions,
                sessions, sessions, impressions, sessions, sessions_with_position, sessions,
                sessions_with_results
            ]
        ) AS sums
        SELECT
            variant,
            sessions,
            is_anonymous,
            sessions > {most_sessions:UInt64} AS is_outlier,
            {outliers:String} != 'leave_out' OR NOT is_outlier AS is_kept,
            arraySlice(sums, 1, 8) AS numerators,
            arrayPushBack(
                arraySlice(sums, 9), toUInt128(if({outliers:String} = 'winsorise', 1000, 1))
            ) AS denominators
        FROM _experiment_users(
            from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, relevance = {relevance:String},
            event_type = {event_type:String}, variant_field = {variant_field:String}
        )
    ) AS summed
    GROUP BY variant
)
ARRAY JOIN
    [
        'session_ctr', 'clicks_per_search', 'position_ctr', 'mean_reciprocal_rank',
        'mean_first_click_position', 'zero_result_rate', 'no_click_rate', 'searches_per_user'
    ] AS metric,
    numerators_sum AS numerator,
    denominators_sum AS denominator,
    numerators_squared AS numerator_squares,
    denominators_squared AS denominator_squares,
    multiplied AS products,
    arrayMap(name -> toUInt32(if(name = 'mean_reciprocal_rank', 232792560, 1)), [
        'session_ctr', 'clicks_per_search', 'position_ctr', 'mean_reciprocal_rank',
        'mean_first_click_position', 'zero_result_rate', 'no_click_rate', 'searches_per_user'
    ]) AS parts
COMMENT 'Parameterised: the numbers of each variant of an experiment, and what their intervals are computed from'
