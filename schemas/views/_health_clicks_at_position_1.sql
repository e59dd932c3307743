CREATE OR REPLACE VIEW _health_clicks_at_position_1
AS SELECT
    'clicks_at_position_1' AS finding,
    CAST(total >= 100 AND cases > threshold * total, 'Bool') AS is_found,
    toUInt64(sum(bitAnd(clicked_positions_mask, 1))) AS cases,
    toUInt64(sum(bitCount(clicked_positions_mask) + length(clicked_positions_over_64))) AS total,
    if(total = 0, NULL, cases / total) AS share,
    toFloat64(0.95) AS threshold,
    arrayMap(newest -> newest.2, groupArraySortedIf(3)(newest_first, bitAnd(clicked_positions_mask, 1) = 1)) AS examples,
    'Clicked results that were the first of a list of several.' AS meaning,
    concat(
        'See that each result has an object_id of its own, that the list is sent in the order in which it ',
        'was shown, and whole.') AS what_to_do
FROM _health_sessions(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64})
WHERE results > 1 AND clicks > 0
COMMENT 'Parameterised: clicks of lists of several results that are all on the first one'
