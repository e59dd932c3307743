-- A list of n results is one row, at position n, and each clicked position is one more: memory and
-- time are linear in the clicks. What was shown at a position is the sum of `lists_ending` from there
-- down; so are `clicked_lists` and `lists_examined` (docs/metrics.md).
CREATE OR REPLACE VIEW session_positions
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    session_id, created_at, search_query, user_id, user_hash, sort_field, dimensions, dimension_set, variants,
    position_of_cell AS position,
    is_end AS lists_ending,
    toUInt64(is_end = 0) AS clicked_impressions,
    is_end * is_clicked AS clicked_lists_ending,
    is_lowest AS lowest_clicks
FROM
(
    SELECT
        session_id, created_at, search_query, user_id, user_hash, sort_field, dimensions, dimension_set, variants,
        arrayConcat(
            arrayMap(bit -> toUInt32(bit + 1), bitPositionsToArray(facts.positions_mask)),
            arrayMap(position -> toUInt32(position), facts.positions_over_64)
        ) AS clicked,
        toUInt64(notEmpty(clicked)) AS is_clicked,
        arrayPushFront(clicked, facts.results) AS positions,
        arrayResize([toUInt64(1)], length(positions)) AS ends,
        -- The positions ascend.
        arrayConcat(arrayResize(CAST([], 'Array(UInt64)'), length(clicked)), [is_clicked]) AS lowests
    FROM _session_goals(
        from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
        relevance = {relevance:String}, event_type = {event_type:String}
    ) AS facts
    WHERE facts.is_selected AND facts.results > 0
)
ARRAY JOIN positions AS position_of_cell, ends AS is_end, lowests AS is_lowest
COMMENT 'Parameterised: at which positions the list of each session ends and was clicked'
