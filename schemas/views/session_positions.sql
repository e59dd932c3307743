-- A list of n results is one row, at position n, and each clicked position is one more: memory and
-- time are linear in the clicks. What was shown at a position is the sum of `lists_ending` from there
-- down; so are `clicked_lists` and `lists_examined` (docs/metrics.md).
CREATE OR REPLACE VIEW session_positions
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_id, created_at, search_query, user_id, user_hash, sort_field, dimensions, dimension_set, variants,
    cell.1 AS position,
    cell.2 AS lists_ending,
    cell.3 AS clicked_impressions,
    cell.4 AS clicked_lists_ending,
    cell.5 AS lowest_clicks
FROM
(
    SELECT
        session_id, created_at, search_query, user_id, user_hash, sort_field, dimensions, dimension_set, variants,
        arrayConcat(
            arrayMap(bit -> toUInt32(bit + 1), bitPositionsToArray(facts.positions_mask)),
            arrayMap(position -> toUInt32(position), facts.positions_over_64)
        ) AS clicked,
        arrayMax(clicked) AS lowest,
        arrayConcat(
            [(toUInt32(facts.results), toUInt64(1), toUInt64(0), toUInt64(notEmpty(clicked)), toUInt64(0))],
            arrayMap(
                position -> (position, toUInt64(0), toUInt64(1), toUInt64(0), toUInt64(position = lowest)),
                clicked
            )
        ) AS cells
    FROM _session_goals(
        from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
        relevance = {relevance:String}, event_type = {event_type:String}
    ) AS facts
    WHERE facts.is_selected AND facts.results > 0
)
ARRAY JOIN cells AS cell
COMMENT 'Parameterised: at which positions the list of each session ends and was clicked'
