-- The searches that events name, every row of each; the caller keeps the row of the highest version,
-- which is the first one posted. Without their lists, which are long.
SELECT
    session_id,
    search_query,
    length(search_results.object_id) AS results,
    toUnixTimestamp64Milli(created_at) AS created_at_ms,
    toString(session_day) AS day,
    version
FROM sessions
PREWHERE session_id IN {session_ids:Array(String)}
