-- The counts behind /analytics/positions: one row per place in the list, from the top.
WITH irrelevant AS
(
    SELECT reinterpretAsUInt128(sipHash128(session_id)) FROM session_marks FINAL WHERE is_irrelevant
)
SELECT
    toUInt16(place) AS position,
    sum(lists) AS impressions,
    sum(if(place <= 64, if(bitTest(places, place - 1), lists, 0), countEqual(deep, place)))
        AS clicked_impressions
FROM
(
    -- Lists of one length that were clicked at the same places count together.
    SELECT
        least(facts.impressions, {limit:UInt32}) AS listed,
        $places AS places,
        count() AS lists,
        groupArrayArray($deep_places) AS deep
    FROM session_facts_now AS facts
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
