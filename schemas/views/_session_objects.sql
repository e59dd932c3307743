-- The arrays are unfolded side by side: an expression that looked into a whole list for each of its
-- places would be quadratic in its length.
-- `one_of` is 1 for all sessions; with 10 it is a tenth of them, and a fifth of the work.
CREATE OR REPLACE VIEW _session_objects
AS SELECT
    session_id, created_at, search_query, user_id, user_hash, session_hash, sort_field, dimensions, dimension_set, variants,
    shown_object AS object_id,
    shown_position AS position,
    shown_set AS result_dimension_set,
    JSONExtract(ifNull(nullIf(toString(shown_set), ''), '{}'), 'Map(String, String)') AS result_dimensions,
    toUInt64(1) AS impressions,
    toUInt64(is_clicked) AS clicked_impressions,
    toUInt64(lowest > 0) AS clicked_lists,
    toUInt64(lowest >= shown_position) AS lists_examined
FROM
(
    SELECT
        session_id, created_at, search_query, user_id, user_hash, session_hash, sort_field, dimensions, dimension_set, variants,
        facts.result_ids AS objects,
        facts.result_goals AS goals,
        -- Empty when no result has a value.
        arrayResize(facts.result_dimension_sets, length(objects)) AS sets,
        arrayMax(arrayPushFront(facts.goal_positions, 0)) AS lowest
    FROM _session_goals(
        from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
        relevance = {relevance:String}, event_type = {event_type:String}
    ) AS facts
    -- The hash is in the primary key: what is not in the sample is hardly read.
    WHERE facts.is_selected AND session_hash <= intDiv(18446744073709551615, {one_of:UInt64})
)
ARRAY JOIN objects AS shown_object, arrayEnumerate(objects) AS shown_position, goals AS is_clicked, sets AS shown_set
COMMENT 'Parameterised: session_objects of one in so many'
