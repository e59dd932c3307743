-- Every parameterised question about sessions selects from here. The type is a constant, so ClickHouse
-- reads the columns of clicks alone, or the arrays of all types alone.
CREATE OR REPLACE VIEW _session_goals
AS SELECT
    session_id,
    session_hash,
    created_at,
    search_query,
    user_id,
    user_hash,
    is_irrelevant,
    {relevance:String} = 'include' OR is_irrelevant = ({relevance:String} = 'only') AS is_selected,
    variants,
    dimensions,
    sort_field,
    result_ids,
    result_teams,
    results,
    events,
    unlisted_events,
    type_names,
    arrayFilter(
        (position, type) -> type = {event_type:String} AND position > 0, event_positions, event_types
    ) AS goal_positions,
    if({event_type:String} = 'click',
        clicks, type_counts[indexOf(type_names, {event_type:String})]) AS goal_events,
    toUInt32(arrayCount(
        (position, type) -> type = {event_type:String} AND position = 0, event_positions, event_types
    )) AS unlisted_goals,
    if({event_type:String} = 'click',
        min_clicked_position, toUInt16(arrayReduce('min', goal_positions))) AS min_position,
    if({event_type:String} = 'click',
        clicked_positions_mask,
        arrayReduce('groupBitOr', arrayMap(
            position -> bitShiftLeft(toUInt64(1), toUInt8(position - 1)),
            arrayFilter(position -> position <= 64, goal_positions)
        ))) AS positions_mask,
    if({event_type:String} = 'click',
        clicked_positions_over_64,
        arrayDistinct(arrayFilter(position -> position > 64, goal_positions))) AS positions_over_64,
    if({event_type:String} = 'click',
        first_click_ms,
        if(has(event_types, {event_type:String}),
            toNullable(event_after_ms[indexOf(event_types, {event_type:String})]), NULL)) AS first_goal_ms,
    clicks > 0 AS has_click,
    arrayMap(value -> assumeNotNull(value), arrayFilter(
        (value, type) -> type = {event_type:String} AND isNotNull(value), event_values,
        arraySlice(event_types, 1, length(event_values))
    )) AS goal_values
FROM session_facts FINAL
WHERE session_hour BETWEEN intDiv({from_ms:Int64}, 3600000) AND intDiv({to_ms:Int64}, 3600000)
    AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'Parameterised: the facts of a range of created_at, for one type of event as the goal'
