-- The arrays are unfolded side by side, and a click is found by counting: an expression that looked
-- into a whole list for each of its places would be quadratic in its length.
-- `one_of` is 1 for all sessions; with 10 it is a tenth of them, and a fifth of the work.
CREATE OR REPLACE VIEW _session_objects
AS SELECT
    session_id, created_at, search_query, user_id, user_hash, sort_field, dimensions, dimension_set, variants,
    shown_object AS object_id,
    shown_position AS position,
    toUInt64(1) AS impressions,
    toUInt64(times > 1) AS clicked_impressions
FROM
(
    SELECT
        session_id, created_at, search_query, user_id, user_hash, sort_field, dimensions, dimension_set, variants,
        facts.result_ids AS objects,
        arrayConcat(
            arrayMap(bit -> toUInt32(bit + 1), bitPositionsToArray(facts.positions_mask)),
            arrayMap(position -> toUInt32(position), facts.positions_over_64)
        ) AS clicked,
        -- 2 for a position that is among the clicked ones.
        arraySlice(
            arrayEnumerateUniq(arrayConcat(clicked, arrayEnumerate(objects))), length(clicked) + 1
        ) AS seen
    FROM _session_goals(
        from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
        relevance = {relevance:String}, event_type = {event_type:String}
    ) AS facts
    -- The hash is in the primary key: what is not in the sample is hardly read.
    WHERE facts.is_selected AND session_hash <= intDiv(18446744073709551615, {one_of:UInt64})
)
ARRAY JOIN objects AS shown_object, arrayEnumerate(objects) AS shown_position, seen AS times
COMMENT 'Parameterised: session_objects of one in so many'
