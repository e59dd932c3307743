-- Sessions by their ids, every row of each; the caller keeps the row of the highest version, which is
-- the first one posted. FINAL would read whole granules of every part that may hold an id, and so
-- would a sort before a limit. PREWHERE keeps the other columns unread where no id is.
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
    version
FROM sessions
PREWHERE session_id IN {session_ids:Array(String)}
