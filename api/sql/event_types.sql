-- The types that most events of a range have, by and large: rows that are replaced are counted as well.
SELECT groupArray(event_type) AS event_types
FROM (
    SELECT event_type
    FROM session_facts ARRAY JOIN type_names AS event_type, type_counts AS events_of_type
    WHERE session_hour BETWEEN intDiv({from_ms:Int64}, 3600000) AND intDiv({to_ms:Int64}, 3600000)
    GROUP BY event_type
    ORDER BY sum(events_of_type) DESC, event_type
    LIMIT {limit:UInt8}
)
