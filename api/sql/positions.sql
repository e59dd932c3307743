-- The counts behind /analytics/positions: one row per place in the list, from the top.
WITH irrelevant AS
(
    SELECT reinterpretAsUInt128(sipHash128(session_id)) FROM session_marks FINAL WHERE is_irrelevant
)
SELECT
    toUInt16(place) AS position,
    sum(shown) AS impressions,
    -- Both sides of an `if` are evaluated for every row: no bit may be asked for that is not there.
    sum(if(place > 64, countEqual(deep, place), if(bitTest(places, least(place, 64) - 1), lists, 0)))
        AS clicked_impressions
FROM
(
    -- Lists of one length that were clicked at the same places count together.
    SELECT
        least(facts.impressions, {limit:UInt32}) AS listed,
        clicked_places AS places,
        count() AS lists,
        countIf($counts) AS shown,
        groupArrayArray(clicked_deep) AS deep
    FROM $facts AS facts
    WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01')
        AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        AND ({relevance:String} = 'include'
            OR session_key IN irrelevant = ({relevance:String} = 'only'))
    GROUP BY listed, places
)
-- A list of n results is one impression at each of the places 1 to n.
ARRAY JOIN range(1, listed + 1) AS place
GROUP BY position
ORDER BY position
