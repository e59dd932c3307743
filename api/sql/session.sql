-- One session by its id, the first one posted. Sorting a handful of rows beats FINAL here: FINAL
-- would read whole granules of every part that may hold the id.
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
    toString(session_day) AS day
FROM sessions
WHERE session_id = {session_id:String}
ORDER BY version DESC
LIMIT 1
