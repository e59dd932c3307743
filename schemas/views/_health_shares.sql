-- All that is asked of the searches of the sample, in one pass.
CREATE OR REPLACE VIEW _health_shares
AS WITH
    sumMapIf(type_names, type_counts, is_newest) AS newest_types,
    sumMapIf(type_names, type_counts, NOT is_newest) AS types_before,
    arraySum(newest_types.2) AS newest,
    arraySum(types_before.2) AS before,
    arrayMap(type -> (
        type,
        types_before.2[indexOf(types_before.1, type)] / before,
        newest_types.2[indexOf(newest_types.1, type)] / newest
    ), arraySort(arrayDistinct(arrayConcat(types_before.1, newest_types.1)))) AS mix,
    arraySum(type -> abs(type.3 - type.2), mix) / 2 AS moved,
    least(before, newest) >= 100 AS has_mix,
    newest -> newest.2 AS id_of
SELECT
    check.1 AS finding,
    check.2 AS cases,
    check.3 AS total,
    check.4 AS examples,
    {one_of:UInt64} AS one_of
FROM
(
    SELECT [
        (
            'unlisted_clicks',
            toUInt64(sum(unlisted_clicks)),
            toUInt64(sum(clicks)),
            arrayMap(id_of, groupArraySortedIf(3)(newest_first, unlisted_clicks > 0))
        ),
        (
            'clicks_at_position_1',
            toUInt64(sumIf(is_first_clicked, is_of_several)),
            toUInt64(sumIf(clicked_results, is_of_several)),
            arrayMap(id_of, groupArraySortedIf(3)(newest_first, is_first_clicked AND is_of_several))
        ),
        (
            'event_mix',
            toUInt64(if(has_mix, round(moved * newest), 0)),
            toUInt64(if(has_mix, newest, 0)),
            arrayMap(
                type -> concat(type.2, ': ', toString(round(100 * type.3, 1)), ' % before, ',
                    toString(round(100 * type.4, 1)), ' % now'),
                arraySlice(arraySort(arrayMap(type -> (-abs(type.3 - type.2), type.1, type.2, type.3), mix)), 1, 3)
            )
        ),
        (
            'clock_skew',
            toUInt64(countIf(is_skewed)),
            toUInt64(count()),
            arrayMap(id_of, groupArraySortedIf(3)(newest_first, is_skewed))
        )
    ] AS checks
    FROM
    (
        SELECT
            newest_first,
            clicks,
            unlisted_clicks,
            type_names,
            type_counts,
            toUInt64(bitAnd(clicked_positions_mask, 1)) AS is_first_clicked,
            bitCount(clicked_positions_mask) + length(clicked_positions_over_64) AS clicked_results,
            results > 1 AND clicks > 0 AS is_of_several,
            toUnixTimestamp64Milli(created_at) >= {to_ms:Int64} - 86400000 AS is_newest,
            created_at > received_at + INTERVAL 1 MINUTE
                OR arrayExists(first_ms -> first_ms < -1000, type_first_ms) AS is_skewed
        FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, one_of = {one_of:UInt64})
    )
)
ARRAY JOIN checks AS check
COMMENT 'Parameterised: clicks that are not listed, or on the first result, types of events that have changed, clocks that cannot be right'
