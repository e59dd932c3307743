-- The counts for /analytics/positions, one row per position of the list, from the top.
WITH irrelevant AS
(
    SELECT reinterpretAsUInt128(sipHash128(session_id)) FROM session_marks FINAL WHERE is_irrelevant
)
SELECT
    toUInt16(list_position) AS position,
    sum(sessions) AS impressions,
    -- ClickHouse evaluates both sides of an `if` for every row, so `least` keeps the bit in range.
    sum(
        if(list_position > 64,
            countEqual(deep_clicks, list_position),
            if(bitTest(clicked_mask, least(list_position, 64) - 1), rows_of_group, 0))
    ) AS clicked_impressions
FROM
(
    -- Lists of one length that were clicked at the same positions are one group.
    SELECT
        least(facts.impressions, {limit:UInt32}) AS listed,
        clicked_places AS clicked_mask,
        count() AS rows_of_group,
        countIf($is_session_row) AS sessions,
        groupArrayArray(clicked_deep) AS deep_clicks
    FROM $facts AS facts
    WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01')
        AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        AND ({relevance:String} = 'include'
            OR session_key IN irrelevant = ({relevance:String} = 'only'))
    GROUP BY listed, clicked_mask
)
-- A list of n results is one impression at each of the positions 1 to n.
ARRAY JOIN range(1, listed + 1) AS list_position
GROUP BY position
ORDER BY position
