-- The counts behind /analytics/positions: one row per place in the list, from the top.
WITH irrelevant AS (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant)
SELECT position, impressions, clicked_impressions
FROM
(
    -- A list of n results is one impression at each of the places 1 to n.
    SELECT toUInt16(place) AS position, sum(lists) AS impressions
    FROM
    (
        SELECT length(search_results.object_id) AS shown, count() AS lists
        FROM sessions FINAL
        WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01')
            AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
            AND ({relevance:String} = 'include'
                OR session_id IN irrelevant = ({relevance:String} = 'only'))
        GROUP BY shown
    )
    ARRAY JOIN range(1, least(shown, {limit:UInt32}) + 1) AS place
    GROUP BY position
) AS shown_at
LEFT JOIN
(
    SELECT position, count() AS clicked_impressions
    FROM
    (
        SELECT session_id, position
        FROM events FINAL
        WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01')
            AND session_created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
            AND session_created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
            AND event_type = {event_type:String}
            AND position BETWEEN 1 AND {limit:UInt32}
            AND ({relevance:String} = 'include'
                OR session_id IN irrelevant = ({relevance:String} = 'only'))
        GROUP BY session_id, position
    )
    GROUP BY position
) AS clicked_at USING (position)
ORDER BY position
