-- FINAL merges facts across days: their key begins with the hour, so days never meet, and each day merged by
-- itself would be a stream with a table of groups of its own, thirty of a month.
-- Every parameterised question about sessions selects from here. The type is a constant, so ClickHouse
-- reads the columns of clicks alone, or of purchases, or for every other type the arrays of all types.
CREATE OR REPLACE VIEW _session_goals
AS SELECT
    session_id,
    session_hash,
    created_at,
    search_query,
    query_bucket,
    user_id,
    user_hash,
    is_irrelevant,
    {relevance:String} = 'include' OR is_irrelevant = ({relevance:String} = 'only') AS is_selected,
    variants,
    variant_set,
    dimensions,
    dimension_set,
    sort_field,
    result_ids,
    result_teams,
    result_dimension_sets,
    results,
    events,
    unlisted_events,
    type_names,
    event_types,
    event_positions,
    event_after_ms,
    if({event_type:String} = 'click', clicks, other_goal_events) AS goal_events,
    if({event_type:String} = 'click', unlisted_clicks, other_unlisted_goals) AS unlisted_goals,
    if({event_type:String} = 'click', clicked_positions_mask, other_positions_mask) AS positions_mask,
    if({event_type:String} = 'click', clicked_positions_over_64, other_positions_over_64) AS positions_over_64,
    if({event_type:String} = 'click', clicked_results, other_results_with_goal) AS results_with_goal,
    if({event_type:String} = 'click', min_clicked_position, other_min_position) AS min_position,
    if({event_type:String} = 'click', first_click_ms, other_first_goal_ms) AS first_goal_ms,
    if({event_type:String} = 'click', clicks_with_value, other_goals_with_value) AS goals_with_value,
    if({event_type:String} = 'click', click_values, other_goal_values) AS goal_values,
    clicks > 0 AS has_click,
    arrayConcat(
        arrayMap(bit -> toUInt32(bit + 1), bitPositionsToArray(positions_mask)),
        arrayMap(position -> toUInt32(position), positions_over_64)
    ) AS goal_positions,
    -- Of each result whether it is at such a position. Found by counting: an expression that looked into a
    -- list for each of its places would be quadratic in its length.
    arrayMap(times -> toUInt8(times > 1), arraySlice(
        arrayEnumerateUniq(arrayConcat(goal_positions, arrayEnumerate(arrayResize(CAST([], 'Array(UInt8)'), results)))),
        length(goal_positions) + 1
    )) AS result_goals
FROM
(
    -- A level of its own: of conditions within each other ClickHouse would read every branch.
    SELECT
        *, query_bucket, variant_set, dimension_set, clicked_results,
        -- 0 when there is none: then each of the arrays has 0, or an empty array.
        indexOf(type_names, {event_type:String}) AS type_number,
        if({event_type:String} = 'purchase', purchases, type_counts[type_number]) AS other_goal_events,
        if({event_type:String} = 'purchase', unlisted_purchases, type_unlisted[type_number]) AS other_unlisted_goals,
        if({event_type:String} = 'purchase', purchased_positions_mask,
            type_positions_masks[type_number]) AS other_positions_mask,
        if({event_type:String} = 'purchase', purchased_positions_over_64,
            type_positions_over_64[type_number]) AS other_positions_over_64,
        if({event_type:String} = 'purchase', purchased_results,
            toUInt32(bitCount(other_positions_mask) + length(other_positions_over_64))) AS other_results_with_goal,
        if({event_type:String} = 'purchase', min_purchased_position,
            if(other_positions_mask > 0,
                toUInt16(bitCount(bitXor(other_positions_mask, other_positions_mask - 1))), other_positions_over_64[1])) AS other_min_position,
        if({event_type:String} = 'purchase', first_purchase_ms,
            if(type_number > 0, toNullable(type_first_ms[type_number]), NULL)) AS other_first_goal_ms,
        if({event_type:String} = 'purchase', purchases_with_value,
            type_value_counts[type_number]) AS other_goals_with_value,
        if({event_type:String} = 'purchase', purchase_values, type_values[type_number]) AS other_goal_values
    FROM session_facts FINAL
    WHERE session_hour BETWEEN intDiv({from_ms:Int64}, 3600000) AND intDiv({to_ms:Int64}, 3600000)
        AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    SETTINGS do_not_merge_across_partitions_select_final = 0
)
COMMENT 'Parameterised: the facts of a range of created_at, for one type of event as the goal'
