-- One partition's sessions, each once, in the order of their ids, which is the order on disk.
SELECT
    session_id,
    search_query,
    search_results.object_id AS object_ids,
    search_results.rank AS ranks,
    search_results.meta AS metas,
    search_meta,
    payload_filter,
    sort_by,
    user_id,
    toUnixTimestamp64Milli(created_at) AS created_at_ms,
    toString(session_day) AS day,
    toBool(session_id IN (SELECT session_id FROM session_marks FINAL WHERE is_irrelevant))
        AS is_irrelevant
FROM sessions FINAL
WHERE session_day = {session_day:Date}
    AND created_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND created_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    AND ({relevance:String} = 'include' OR is_irrelevant = ({relevance:String} = 'only'))
ORDER BY session_id
