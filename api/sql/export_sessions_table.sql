-- Sessions as a table, each once, a day after the other.
SELECT
    session_id,
    search_query,
    CAST(
        arrayZip(search_results.object_id, search_results.rank, search_results.meta),
        'Array(Tuple(object_id String, rank Nullable(Float64), meta Nullable(String)))'
    ) AS search_results,
    search_meta,
    payload_filter,
    sort_by,
    user_id,
    created_at,
    toBool(session_id IN (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant))
        AS is_irrelevant
FROM sessions FINAL
WHERE (session_day BETWEEN {from_day:Date} AND {to_day:Date} OR session_day = '1970-01-01')
    AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    AND ({relevance:String} = 'include' OR is_irrelevant = ({relevance:String} = 'only'))
    AND $sessions
$order
