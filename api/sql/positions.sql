-- The counts for /analytics/positions, one row per position of the list, from the top. Memory and time
-- are linear in the clicks and in the lengths of the lists: a list of n results is counted once, at
-- position n, and each position sums up the lists that end there or further down.
WITH irrelevant AS
(
    SELECT reinterpretAsUInt128(sipHash128(session_id)) FROM session_marks FINAL WHERE is_irrelevant
)
SELECT
    at_position.1 AS position,
    at_position.2 AS impressions,
    at_position.3 AS clicked_impressions
FROM
(
    -- Positions where a list ends or that were clicked, in order, as (position, lists, clicked).
    SELECT
        arraySort(groupArray((at, ending, clicked))) AS cells,
        arrayReverse(arrayCumSum(arrayReverse(cells.2))) AS lists_from,
        arrayPopBack(arrayPushFront(cells.1, toUInt32(0))) AS positions_before
    FROM
    (
        SELECT change.1 AS at, sum(change.2) AS ending, sum(change.3) AS clicked
        FROM
        (
            -- Lists of one length that were clicked at the same positions are one group.
            SELECT
                least(facts.impressions, {limit:UInt32}) AS listed,
                clicked_places AS clicked_mask,
                count() AS rows_of_group,
                countIf($is_session_row) AS sessions,
                sumMap(clicked_deep, arrayWithConstant(length(clicked_deep), toUInt64(1))) AS deep_clicks
            FROM $facts AS facts
            WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01')
                AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
                AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
                AND ({relevance:String} = 'include'
                    OR session_key IN irrelevant = ({relevance:String} = 'only'))
            GROUP BY listed, clicked_mask
        )
        ARRAY JOIN arrayConcat(
            [(toUInt32(listed), sessions, toUInt64(0))],
            arrayMap(bit -> (toUInt32(bit + 1), toUInt64(0), rows_of_group), bitPositionsToArray(clicked_mask)),
            arrayMap((place, clicks) -> (toUInt32(place), toUInt64(0), clicks), deep_clicks.1, deep_clicks.2)
        ) AS change
        WHERE at <= listed  -- a click beyond its list is at no position
        GROUP BY at
    )
)
-- A position between two of these was shown as often as the next one, and never clicked.
ARRAY JOIN arrayFlatten(arrayMap(
    (cell, shown, before) -> arrayMap(
        place -> (toUInt16(place), shown, if(place = cell.1, cell.3, 0)), range(before + 1, cell.1 + 1)
    ),
    cells, lists_from, positions_before
)) AS at_position
ORDER BY position
