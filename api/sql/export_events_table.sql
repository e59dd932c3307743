-- Joined events as a table, each once, a day of their sessions after the other.
SELECT
    session_id,
    event_id,
    object_id,
    event_type,
    nullIf(position, 0) AS position,
    meta,
    created_at,
    session_created_at,
    toBool(session_id IN (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant))
        AS is_irrelevant
FROM events FINAL
WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01')
    AND session_created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND session_created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    AND ({relevance:String} = 'include' OR is_irrelevant = ({relevance:String} = 'only'))
    AND $events
$order
